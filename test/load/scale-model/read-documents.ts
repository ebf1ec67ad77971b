import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StepFigures } from '../bench-scale/step-figures.js';
import { blocksOf, fillIn } from './document.js';

/** Compiled to test/dist/load/scale-model. */
const DOCS = fileURLToPath(new URL('../../../../docs/', import.meta.url));

/** The documents with computed tables, as they are and as they should be. */
export function computedDocuments(): { readonly path: string; readonly written: string; readonly computed: string }[] {
  const steps = JSON.parse(readFileSync(join(DOCS, 'figures', 'scale-plain.json'), 'utf8')) as StepFigures[];
  const blocks = blocksOf(steps);
  return ['scale.md', 'operations.md'].map((name) => {
    const path = join(DOCS, name);
    const written = readFileSync(path, 'utf8');
    return { path, written, computed: fillIn(written, blocks) };
  });
}
