import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Manifest } from './manifest.js';
import { runCommand } from './run-command.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** Which package has the schemas of a group. All others are Kubernetes' own. */
const CUSTOM: Readonly<Record<string, string>> = {
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'keda.sh': '@kubernetes-models/keda',
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'cert-manager.io': '@kubernetes-models/cert-manager',
};

function moduleOf({ apiVersion, kind }: Manifest): string {
  const [group = ''] = apiVersion.split('/');
  return `${CUSTOM[group] ?? 'kubernetes-models'}/${apiVersion}/${kind}`;
}

/** What the schema of its kind says against an object: fields that are missing or of another type. */
export async function schemaFaults(manifest: Manifest): Promise<string[]> {
  const name = `${manifest.kind} ${manifest.metadata.name}`;
  const path = moduleOf(manifest);
  const models = (await import(path)) as Record<string, (new (data: object) => { validate(): void }) | undefined>;
  const Model = models[manifest.kind];
  if (Model === undefined) return [`${name}: there is no schema in ${path}`];
  try {
    new Model(manifest).validate();
    return [];
  } catch (error) {
    return [`${name}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** Fields that the types do not know: the schemas let them pass, and a cluster drops them in silence. */
export async function unknownFields(manifests: readonly Manifest[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-types-'));
  try {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const sources = manifests.map((manifest, i) => {
      const type = `import(${JSON.stringify(moduleOf(manifest))}).I${manifest.kind}`;
      return `export const m${i}: ${type} = ${JSON.stringify(manifest)};`;
    });
    writeFileSync(join(folder, 'manifests.ts'), `${sources.join('\n')}\n`);
    const tsc = join(ROOT, 'node_modules/.bin/tsc');
    const options = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--pretty',
      'false',
      '--target',
      'es2023',
    ];
    const args = [...options, '--module', 'nodenext', '--types', '', join(folder, 'manifests.ts')];
    const { code, stdout, stderr } = await runCommand(tsc, args);
    if (code !== 0 && stdout === '') throw new Error(`tsc ended with ${code}: ${stderr}`);
    return stdout
      .split('\n')
      .filter((line) => line.includes('error TS'))
      .map((line) => named(line, manifests));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Each object is one line of the file. */
function named(line: string, manifests: readonly Manifest[]): string {
  const at = /manifests\.ts\((\d+),/.exec(line)?.[1];
  const manifest = manifests[Number(at) - 1];
  return `${manifest?.kind} ${manifest?.metadata.name}: ${line.slice(line.indexOf('error TS'))}`;
}
