import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CLUSTER } from '../manifests/render.js';
import { chartFiles } from './files.js';

/** `npm run chart`: writes what k8s/chart has from the kustomize source. Chart.yaml, helpers and notes are written by hand. */
const CHART = join(CLUSTER, 'chart');
const BY_HAND = ['_helpers.tpl', 'NOTES.txt'];

const files = await chartFiles();
for (const file of readdirSync(join(CHART, 'templates')))
  if (!BY_HAND.includes(file)) rmSync(join(CHART, 'templates', file));
rmSync(join(CHART, 'files'), { recursive: true, force: true });
for (const [path, text] of files) {
  mkdirSync(dirname(join(CHART, path)), { recursive: true });
  writeFileSync(join(CHART, path), text);
}
