import { basename } from 'node:path';
import type { FeedJson } from '@muster/api-contract';
import { FEED_KINDS, type FeedKind } from '@muster/protocol';
import { parseDurationMs } from '@muster/runtime/quantity';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { EXIT, usageError } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { counted, LIST_OUTPUTS, numberText, parseOutput, printList, renderFacts } from '../terminal/listing.js';
import { styleFor } from '../terminal/table.js';
import { shortTime } from '../terminal/time-text.js';
import { EcosystemFilter } from './ecosystem-filter.js';
import { importFeed } from './import-feed.js';

const HELP = `
Examples:
  muster feed import https://osv-vulnerabilities.storage.googleapis.com/Debian/all.zip --name debian
  muster feed import ./osv-mirror/npm --name npm
  muster feed import all.zip --name debian --ecosystem Debian:12 Debian:13
  muster feed import epss_scores-current.csv.gz --kind epss
  muster feed import known_exploited_vulnerabilities.json --kind kev
  muster feed import openvex.json --kind vex --for 90d --reason 'not reachable'

Exit codes: 0 everything was read, 1 error, 2 usage, 3 imported, but something could not be read: then nothing counts as safe by this feed.`;

interface ImportOptions {
  readonly name?: string;
  readonly kind: string;
  readonly for: string;
  readonly reason?: string;
  readonly ecosystem?: readonly string[];
}

/** `muster feed`: what is known of vulnerabilities. */
export function addFeedCommand(program: Command, env: CommandEnv): void {
  const feed = program
    .command('feed')
    .description('Imports and shows feeds of vulnerabilities (OSV, EPSS, KEV, OpenVEX).');
  feed
    .command('import <sources...>')
    .description(
      'Makes a new version of a feed of files, folders or addresses: JSON, NDJSON, zip, gzip. Needs the role admin.',
    )
    .option('--name <name>', 'of the feed; that of the file or the kind without it')
    .option('--kind <kind>', FEED_KINDS.join('|'), 'osv')
    .option(
      '--ecosystem <names...>',
      'with --kind osv: only what records say of these: Debian:12, or Debian for all versions',
    )
    .option('--for <duration>', 'with --kind vex: how long the statements count', '90d')
    .option('--reason <text>', 'with --kind vex: why, where a statement does not say it')
    .addHelpText('after', HELP)
    .action((sources: string[], options: ImportOptions) => runImport(env, sources, options));
  feed
    .command('list')
    .description('Lists the feeds that are imported.')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async ({ output }: { output: string }) => {
      const { items } = await env.client().call('GET /v1/feeds', {});
      await printList(env.terminal, parseOutput(output, LIST_OUTPUTS), items, {
        headers: ['name', 'kind', 'records', 'refused', 'ecosystems', 'newest record', 'imported', 'by'],
        row: (one) => [
          ...[one.name, one.kind, numberText(one.records), numberText(one.refused), numberText(one.ecosystems)],
          ...[one.newestRecordAt === undefined ? '' : shortTime(one.newestRecordAt), shortTime(one.importedAt)],
          one.importedBy.name,
        ],
        nothing: 'There are none. An admin imports one with muster feed import.',
      });
    });
  feed
    .command('show <name>')
    .description('Shows a feed: its ecosystems, what could not be read, and its last versions.')
    .option('-o, --output <form>', 'table|json', 'table')
    .action((name: string, { output }: { output: string }) => show(env, name, output));
  feed
    .command('delete <name>')
    .description('Deletes a feed. What only it knew is not known any more. Needs the role admin.')
    .action(async (name: string) => {
      await env.client().call('DELETE /v1/feeds/{name}', { params: { name } });
      await env.terminal.stdout.write(`${name} is deleted\n`);
    });
}

async function runImport(env: CommandEnv, sources: readonly string[], options: ImportOptions): Promise<void> {
  const kind = FEED_KINDS.find((one) => one === options.kind);
  if (kind === undefined) throw usageError(`--kind must be one of ${FEED_KINDS.join(', ')}, not "${options.kind}"`);
  const ms = parseDurationMs(options.for);
  if (ms === undefined) throw usageError(`--for ${options.for} is no duration`, '30d, 90d');
  const { ecosystem } = options;
  if (ecosystem !== undefined && kind !== 'osv') throw usageError(`--ecosystem is for OSV records, not for ${kind}`);
  const filter =
    ecosystem === undefined ? undefined : new EcosystemFilter(ecosystem.flatMap((text) => text.split(',')));
  const { stderr, stdout, env: variables } = env.terminal;
  const progress = (records: number): void => {
    if (stderr.isTTY) void stderr.write(`\r${styleFor(true, variables).dim(`${numberText(records)} records`)}`);
  };
  const imported = await importFeed(env.client(), {
    ...{ name: options.name ?? nameOf(sources, kind), kind, sources, filter, onProgress: progress },
    until: new Date(Date.now() + ms).toISOString(),
    ...(options.reason === undefined ? {} : { reason: options.reason }),
  });
  if (stderr.isTTY) await stderr.write('\r');
  await stdout.write(`${imported.name}: ${sizeText(imported)}\n`);
  if (filter !== undefined && filter.left > 0)
    await stderr.write(`  ${counted(filter.left, 'record')} of other ecosystems left out\n`);
  for (const fault of imported.faults) await stderr.write(`  ${escapeControls(fault)}\n`);
  env.exit(imported.refused > 0 ? EXIT.partial : EXIT.complete);
}

function sizeText({ records, withdrawn, refused, ecosystems, kind }: FeedJson): string {
  const words = [counted(records, 'record')];
  if (kind === 'osv') words.push(`${numberText(withdrawn)} withdrawn`, counted(ecosystems, 'ecosystem'));
  words.push(`${numberText(refused)} could not be read`);
  return words.join(', ');
}

/** `Debian/all.zip` and `debian.zip` are `debian`. */
function nameOf([source = '']: readonly string[], kind: FeedKind): string {
  if (kind !== 'osv') return kind;
  const parts = source
    .replace(/[?#].*$/, '')
    .split(/[/\\]+/)
    .filter((part) => part !== '');
  const last = basename(parts.at(-1) ?? '').replace(/\..*$/, '');
  const word = last === 'all' ? plainText(parts.at(-2) ?? last) : last;
  const name = word
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 64);
  if (name === '') throw usageError('the feed needs a name', '--name debian');
  return name;
}

/** A folder may have a name that is no address: `100%`. */
function plainText(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

async function show(env: CommandEnv, name: string, output: string): Promise<void> {
  const form = parseOutput(output, ['table', 'json']);
  const feed = await env.client().call('GET /v1/feeds/{name}', { params: { name } });
  const { stdout } = env.terminal;
  if (form === 'json') return stdout.write(`${safeJson(feed)}\n`);
  await stdout.write(
    renderFacts([
      ['name', feed.name],
      ['kind', feed.kind],
      ['records', `${sizeText({ ...feed, ecosystems: feed.ecosystems.length })}`],
      ['newest record', feed.newestRecordAt && shortTime(feed.newestRecordAt)],
      ['ecosystems', escapeControls(feed.ecosystems.join(', '))],
      ...feed.faults.map((fault) => ['fault', escapeControls(fault)] as const),
    ]),
  );
  await printList(env.terminal, 'table', feed.versions, {
    headers: ['imported', 'by', 'records', 'refused'],
    row: (one) => [shortTime(one.importedAt), one.importedBy.name, numberText(one.records), numberText(one.refused)],
    nothing: '',
  });
}
