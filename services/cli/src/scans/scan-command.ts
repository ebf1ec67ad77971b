import { parseDurationMs } from '@muster/runtime/quantity';
import { SEVERITIES, type Severity } from '@muster/packs';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { wholeId } from '../environment/short-ids.js';
import { usageError } from '../terminal/cli-error.js';
import { safeJson } from '../terminal/escape.js';
import { LIST_OUTPUTS, parseOutput, printLong, usualLimit } from '../terminal/listing.js';
import { shortTime } from '../terminal/time-text.js';
import { missingText } from './missing-endpoints.js';
import { renderScan, scanExit, scoreText } from './render-scan.js';
import { addResultCommands } from './result-commands.js';
import { runScan } from './run-scan.js';
import { parseDetail } from './scan-options.js';

const HELP = `
Examples:
  muster scan linux-baseline --target os=linux
  muster scan linux-baseline --target env=prod --fail-on high
  muster scan suspicious-now --wait 7d
  muster scan show q01kb8 && muster scan endpoints q01kb8 ssh-root-login --outcome fail
  muster scan findings q01kb8 -o sarif > scan.sarif
  muster scan scores q01kb8 --by site && muster scan trend linux-baseline
  muster scan mend q01kb8 suid-temporary --dry-run

Exit codes: 0 every connected endpoint in scope was scanned (those that are away are counted, with --wait also waited for), 1 error, 2 usage, 3 some were not, or
not everything was kept, or nothing is known of a check that --fail-on names, 4 a check fails that --fail-on names, whoever did not answer, 130 Ctrl-C (the scan is cancelled; one that waits for absent endpoints goes on).`;

interface RunOptions {
  readonly target?: string;
  readonly timeout?: string;
  readonly wait?: string;
  readonly standing?: boolean;
  readonly failOn?: string;
  readonly detail?: string;
  readonly detach?: boolean;
  readonly quiet?: boolean;
  readonly output: string;
}

/** `muster scan`: packs of checks, run over endpoints. */
export function addScanCommand(program: Command, env: CommandEnv): void {
  const scan = program
    .command('scan')
    .description('Runs a pack of checks on endpoints; shows what earlier scans found.');
  scan
    .command('run <pack>', { isDefault: true })
    .description('Runs the newest version of a pack on every connected endpoint in scope.')
    .option('-t, --target <selector>', 'which endpoints: os=linux,env in (prod,staging)')
    .option('--timeout <duration>', 'how long an endpoint may take: 1s to 10m (default 60s)')
    .option('--wait <duration>', 'scan absent endpoints too, as they connect, for up to 14d')
    .option('--standing', 'with --wait: also endpoints that enrol later')
    .option(
      '--fail-on <severity>',
      'end with 4 when a check of this severity or above fails somewhere without an exception',
    )
    .option(
      '--detail <what>',
      'checks|endpoints: keep counts, or every outcome of every endpoint (the default up to 2,000)',
    )
    .option('-d, --detach', 'print the id of the scan and leave it')
    .option('-q, --quiet', 'no progress')
    .option('-o, --output <form>', 'table|json', 'table')
    .addHelpText('after', HELP)
    .action(async (pack: string, options: RunOptions) => {
      const output = parseOutput(options.output, ['table', 'json']);
      const detail = parseDetail(options.detail);
      const body = {
        ...{ pack, selector: options.target ?? '' },
        ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
        ...(options.wait === undefined ? {} : { waitUntil: untilOf(options.wait) }),
        ...(options.standing === undefined ? {} : { standing: options.standing }),
        ...(detail === undefined ? {} : { detail }),
      };
      const failOn = severityOf(options.failOn);
      const { quiet = false, detach = false } = options;
      env.exit(await runScan(env, body, { output, quiet, detach, failOn }));
    });
  addList(scan, env);
  addShow(scan, env);
  addResultCommands(scan, env);
}

function addList(scan: Command, env: CommandEnv): void {
  scan
    .command('list')
    .description('Lists scans that have ended, newest first.')
    .option('--pack <id>', 'only scans of this pack')
    .option(...usualLimit(50))
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async ({ pack, limit, output }: { pack?: string; limit?: string; output: string }) => {
      const query = pack === undefined ? {} : { pack };
      const itemsOf = (most?: number) => env.client().items('GET /v1/scans', { query, limit: most });
      const form = parseOutput(output, LIST_OUTPUTS);
      await printLong(env.terminal, form, { limit, usual: 50 }, itemsOf, {
        headers: ['id', 'began', 'who', 'pack', 'on', 'state', 'scanned', 'score'],
        row: (one) => [
          ...[one.id, shortTime(one.createdAt), one.operator.name, `${one.pack.id} ${one.pack.version}`, one.scope],
          ...[one.state, `${one.ledger.answered} of ${one.ledger.targeted}`, scoreText(one.score)],
        ],
        nothing: 'There are none.',
      });
    });
}

function addShow(scan: Command, env: CommandEnv): void {
  scan
    .command('show <id>')
    .description('Shows a scan: its ledger, score, and the outcomes of each check.')
    .option('--fail-on <severity>', 'end with 4 when a check of this severity or above fails somewhere')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async (id: string, { failOn, output }: { failOn?: string; output: string }) => {
      const form = parseOutput(output, ['table', 'json']);
      const severity = severityOf(failOn);
      const params = { id: await wholeId(env.client(), 'query', id) };
      const found = await env.client().call('GET /v1/scans/{id}', { params });
      const { stdout } = env.terminal;
      await stdout.write(form === 'json' ? `${safeJson(found)}\n` : renderScan(found, env.terminal));
      if (form === 'table') await env.terminal.stderr.write(await missingText(env, found));
      env.exit(scanExit(found, severity));
    });
}

function severityOf(text: string | undefined): Severity | undefined {
  if (text === undefined) return undefined;
  const found = SEVERITIES.find((one) => one === text);
  if (found === undefined) throw usageError(`--fail-on must be one of ${SEVERITIES.join(', ')}, not "${text}"`);
  return found;
}

function untilOf(wait: string): string {
  const ms = parseDurationMs(wait);
  if (ms === undefined) throw usageError(`--wait ${wait} is no duration`, '12h, 7d, at most 14d');
  return new Date(Date.now() + ms).toISOString();
}
