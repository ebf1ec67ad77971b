import type { VulnerabilityJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { usageError } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import { LIST_OUTPUTS, numberText, parseLimit, parseOutput, printLong, usualLimit } from '../terminal/listing.js';
import { shortTime } from '../terminal/time-text.js';
import { csvLine, safeCsvLine } from '../terminal/value-text.js';
import { addScan, SEVERITY_NAMES } from './scan-vulnerabilities.js';
import { endpointsText } from './endpoints-text.js';
import { scanLine } from './scan-line.js';
import { showVulnerability } from './show-vulnerability.js';

const OUTPUTS = [...LIST_OUTPUTS, 'csv'] as const;
const COLUMNS = [
  ...['id', 'severity', 'cvss', 'epss', 'known_exploited', 'fixable', 'packages', 'endpoints_at_least'],
  ...['endpoints_at_most', 'advisories', 'summary'],
] as const;

interface ListOptions {
  readonly scan?: string;
  readonly severity?: string;
  readonly package?: string;
  readonly ecosystem?: string;
  readonly search?: string;
  readonly knownExploited?: boolean;
  readonly fixable?: boolean;
  readonly limit?: string;
  readonly output: string;
}

/** `muster vulnerabilities`: which software of the fleet has known vulnerabilities. */
export function addVulnerabilitiesCommand(program: Command, env: CommandEnv): void {
  const command = program
    .command('vulnerabilities')
    .alias('vulns')
    .description('Compares the software of endpoints with the feeds, and shows which vulnerabilities it has.');
  addScan(command, env);
  addScans(command, env);
  command
    .command('list', { isDefault: true })
    .description('Lists what a scan found, those to look at first at the beginning: exploited, EPSS, CVSS, endpoints.')
    .option('--scan <id>', 'which scan; without it the newest whole one of all endpoints')
    .option('--severity <list>', `only these: ${SEVERITY_NAMES.join(', ')}`)
    .option('--package <name>', 'only those of this package')
    .option('--ecosystem <name>', 'only those of this ecosystem, such as Debian:12')
    .option('--search <text>', 'only those whose id or package holds this text')
    .option('--known-exploited', 'only those that are exploited')
    .option('--fixable', 'only those with a version without them')
    .option(...usualLimit(50))
    .option('-o, --output <form>', OUTPUTS.join('|'), 'table')
    .action((options: ListOptions) => list(env, options));
  command
    .command('show <id>')
    .description('Shows one: which packages have it, on how many endpoints, and such as which.')
    .option('--scan <id>', 'which scan; without it the newest whole one of all endpoints')
    .option('-o, --output <form>', 'table|json|csv', 'table')
    .action((id: string, { scan, output }: { scan?: string; output: string }) =>
      showVulnerability(env, id, scan, parseOutput(output, ['table', 'json', 'csv'])),
    );
}

function addScans(command: Command, env: CommandEnv): void {
  command
    .command('scans')
    .description('Lists scans for vulnerabilities, newest first.')
    .option(...usualLimit(20))
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async ({ limit, output }: { limit?: string; output: string }) => {
      const itemsOf = (most?: number) => env.client().items('GET /v1/vulnerability-scans', { query: {}, limit: most });
      const form = parseOutput(output, LIST_OUTPUTS);
      await printLong(env.terminal, form, { limit, usual: 20 }, itemsOf, {
        headers: ['id', 'began', 'who', 'on', 'state', 'critical', 'high', 'exploited', 'not known'],
        row: (one) => [
          ...[one.id, shortTime(one.createdAt), one.operator.name, one.scope, one.state],
          ...[one.vulnerabilities?.critical, one.vulnerabilities?.high, one.knownExploited].map(countText),
          countText(one.packages?.not_known),
        ],
        nothing: 'There are none.',
      });
    });
}

async function list(env: CommandEnv, { limit, output, knownExploited, fixable, ...texts }: ListOptions): Promise<void> {
  const form = parseOutput(output, OUTPUTS);
  const severities = texts.severity?.split(',') ?? [];
  const wrong = severities.find((one) => !SEVERITY_NAMES.includes(one));
  if (wrong !== undefined) throw usageError(`--severity must be of ${SEVERITY_NAMES.join(', ')}, not "${wrong}"`);
  const query = {
    ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)),
    ...(knownExploited === true ? { knownExploited: 'true' as const } : {}),
    ...(fixable === true ? { fixable: 'true' as const } : {}),
  };
  const client = env.client();
  const { stdout, stderr } = env.terminal;
  const { scan } = await client.call('GET /v1/vulnerabilities', { query: { ...query, limit: 1 } });
  if (scan !== null && form !== 'json' && form !== 'ndjson') {
    const found = await client.call('GET /v1/vulnerability-scans/{id}', { params: { id: scan } });
    await stderr.write(`Scan ${scanLine(found)}\n`);
  }
  const pinned = scan === null ? query : { ...query, scan };
  const itemsOf = (most?: number) => client.items('GET /v1/vulnerabilities', { query: pinned, limit: most });
  if (form === 'csv') {
    await stdout.write(csvLine(COLUMNS));
    for await (const one of itemsOf(limit === undefined ? undefined : parseLimit(limit)))
      await stdout.write(safeCsvLine(valuesOf(one)));
    return;
  }
  await printLong(env.terminal, form, { limit, usual: 50 }, itemsOf, {
    headers: ['id', 'severity', 'cvss', 'epss', 'exploited', 'fix', 'packages', 'endpoints', 'summary'],
    row: (one) => [
      ...[escapeControls(one.id), one.severity, one.cvss === undefined ? '' : String(one.cvss.score)],
      ...[one.epss === undefined ? '' : `${(one.epss.probability * 100).toFixed(1)} %`],
      ...[one.knownExploited === undefined ? '' : 'yes', one.fixable ? 'yes' : 'no'],
      ...[numberText(one.packages), endpointsText(one), escapeControls(one.summary ?? '')],
    ],
    nothing: 'None is known. What is not known: muster vulnerabilities scan, or muster vulnerabilities scans.',
  });
}

function valuesOf(one: VulnerabilityJson): (string | number)[] {
  return [
    ...[one.id, one.severity, one.cvss?.score ?? '', one.epss?.probability ?? ''],
    ...[String(one.knownExploited !== undefined), String(one.fixable), one.packages],
    ...[one.endpointsAtLeast, one.endpointsAtMost, one.advisories.join(' '), one.summary ?? ''],
  ];
}

function countText(count: number | undefined): string {
  return count === undefined ? '-' : numberText(count);
}
