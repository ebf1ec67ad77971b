import type { Command } from 'commander';
import { findAgent } from '../environment/find-agent.js';
import type { CommandEnv } from '../environment/command-env.js';
import { wholeId } from '../environment/short-ids.js';
import { submitAndReport } from '../commands/submit-and-report.js';
import { CliError, EXIT, usageError } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import { counted, LIST_OUTPUTS, numberText, parseOutput, printLong, usualLimit } from '../terminal/listing.js';
import { shortTime } from '../terminal/time-text.js';
import { evidenceText, scoreText } from './render-scan.js';

/** The server reads everything for each page. */
const PAGE = 1_000;
/** Forms that the server makes. */
const EXPORTS = ['csv', 'sarif', 'ocsf'] as const;
const FINDING_OUTPUTS = [...LIST_OUTPUTS, ...EXPORTS] as const;
const PARTLY =
  'Not everybody is known by name: this scan kept some endpoints of each group only. Scan with --detail endpoints.\n';

/** What a scan found: findings, endpoints, scores, its trend, and the way to mend it. */
export function addResultCommands(scan: Command, env: CommandEnv): void {
  addFindings(scan, env);
  addEndpoints(scan, env);
  addScores(scan, env);
  addTrend(scan, env);
  addMend(scan, env);
}

interface FindingOptions {
  readonly check?: string;
  readonly limit?: string;
  readonly output: string;
}

function addFindings(scan: Command, env: CommandEnv): void {
  scan
    .command('findings <id>')
    .description('Shows what fails, with its evidence and some of the endpoints; of one check all that does not pass.')
    .option('--check <check>', 'only this check')
    .option(...usualLimit(200))
    .option('-o, --output <form>', FINDING_OUTPUTS.join('|'), 'table')
    .action(async (id: string, { check, limit, output }: FindingOptions) => {
      const form = parseOutput(output, FINDING_OUTPUTS);
      const params = { id: await wholeId(env.client(), 'query', id) };
      const query = check === undefined ? {} : { check };
      if (form === 'csv' || form === 'sarif' || form === 'ocsf') {
        if (limit !== undefined) throw usageError(`${form} is always whole`, '--limit is for table, json and ndjson');
        const call = { params, query: { ...query, format: form } };
        for await (const part of env.client().text('GET /v1/scans/{id}/findings', call))
          await env.terminal.stdout.write(part);
        return;
      }
      const itemsOf = () => env.client().lines('GET /v1/scans/{id}/findings', { params, query });
      await printLong(env.terminal, form, { limit, usual: 200 }, itemsOf, {
        headers: ['check', 'outcome', 'endpoints', 'excepted', 'such as', 'evidence'],
        row: (one) => [
          ...[one.check, one.outcome, String(one.endpoints)],
          one.exceptions.map(({ id: exception, endpoints }) => `${endpoints} by ${exception}`).join(', '),
          escapeControls(
            one.sample
              .map(({ host, num }) => host ?? `#${num}`)
              .slice(0, 3)
              .join(', '),
          ),
          escapeControls(said(one)),
        ],
        nothing: 'Nothing fails.',
      });
    });
}

/** What endpoints say of an outcome: what fails shows its rows first, then what they lack. */
function said({ reason, evidence }: { readonly reason: string | null; readonly evidence: string | null }): string {
  return [evidenceText(evidence), reason ?? ''].filter((text) => text !== '').join('; ');
}

function addEndpoints(scan: Command, env: CommandEnv): void {
  interface Options {
    readonly outcome?: string;
    readonly limit?: string;
    readonly agent?: string;
    readonly output: string;
  }
  scan
    .command('endpoints <id> [check]')
    .description('Shows the outcome of one check on every endpoint, or with --agent of every check on one endpoint.')
    .option('--agent <endpoint>', 'only this endpoint: an id or a host name')
    .option('--outcome <outcome>', 'only pass, fail, error, not_applicable or over_budget')
    .option(...usualLimit(1_000))
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async (id: string, check: string | undefined, { outcome, agent: name, limit, output }: Options) => {
      if (check === undefined && name === undefined) throw usageError('name a check, or an endpoint with --agent');
      const agent = name === undefined ? undefined : (await findAgent(env.client(), name)).agentId;
      const params = { id: await wholeId(env.client(), 'query', id) };
      // The server checks it.
      const query = { check, agent, ...(outcome === undefined ? {} : { outcome: outcome as 'fail' }) };
      const form = parseOutput(output, LIST_OUTPUTS);
      const itemsOf = (most?: number) =>
        env.client().items('GET /v1/scans/{id}/endpoints', { params, query, limit: most, pageSize: PAGE });
      await printLong(env.terminal, form, { limit, usual: 1_000 }, itemsOf, {
        headers: ['host', ...(check === undefined ? ['check'] : []), 'outcome', 'exception', 'evidence'],
        row: (one) => [
          ...[escapeControls(one.host ?? `#${one.num}`), ...(check === undefined ? [one.check ?? ''] : [])],
          ...[one.outcome, one.exception ?? ''],
          escapeControls(said(one)),
        ],
        nothing: 'Nobody.',
      });
      const { isWhole } = await env
        .client()
        .call('GET /v1/scans/{id}/endpoints', { params, query: { ...query, limit: 1 } });
      if (!isWhole) await env.terminal.stderr.write(PARTLY);
    });
}

function addScores(scan: Command, env: CommandEnv): void {
  scan
    .command('scores <id>')
    .description('Shows the score of each endpoint, or with --by of each value of a label, the worst first.')
    .option('--by <label>', 'site, env, os, ...')
    .option(...usualLimit(50))
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async (id: string, { by, limit, output }: { by?: string; limit?: string; output: string }) => {
      const params = { id: await wholeId(env.client(), 'query', id) };
      const query = by === undefined ? {} : { by };
      const form = parseOutput(output, LIST_OUTPUTS);
      const itemsOf = (most?: number) =>
        env.client().items('GET /v1/scans/{id}/scores', { params, query, limit: most, pageSize: PAGE });
      await printLong(env.terminal, form, { limit, usual: 50 }, itemsOf, {
        headers: [
          by ?? 'host',
          ...(by === undefined ? [] : ['endpoints']),
          'score',
          'fail',
          'excepted',
          'pass',
          'no verdict',
        ],
        row: (one) => [
          escapeControls(by === undefined ? (one.host ?? `#${one.num ?? '?'}`) : (one.value ?? '(none)')),
          ...(by === undefined ? [] : [numberText(one.endpoints ?? 0)]),
          ...[scoreText(one.score), numberText(one.fail), numberText(one.excepted), numberText(one.pass)],
          numberText(one.error + one.over_budget),
        ],
        nothing: 'This scan did not keep who has which outcome; scan with --detail endpoints.',
      });
    });
}

function addTrend(scan: Command, env: CommandEnv): void {
  interface Options {
    readonly target?: string;
    readonly limit?: string;
    readonly output: string;
  }
  scan
    .command('trend <pack>')
    .description('Shows how the score of a pack went, scan by scan of one scope, newest first.')
    .option('-t, --target <selector>', 'scans of exactly this scope; without it those of all endpoints')
    .option(...usualLimit(30))
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async (pack: string, { target = '', limit, output }: Options) => {
      const query = { pack, scope: target };
      const itemsOf = (most?: number) => env.client().items('GET /v1/scans', { query, limit: most });
      const form = parseOutput(output, LIST_OUTPUTS);
      await printLong(env.terminal, form, { limit, usual: 30 }, itemsOf, {
        headers: [
          'id',
          'ended',
          'version',
          'state',
          'scanned',
          'score',
          'change',
          'critical',
          'high',
          'medium',
          'low',
          'new',
          'mended',
        ],
        row: ({ id, endedAt, pack: { version }, state, ledger, score, previous, failing = {}, changes }) => [
          ...[id, shortTime(endedAt), version, state, `${ledger.answered} of ${ledger.targeted}`, scoreText(score)],
          changeText(score, previous?.score),
          ...['critical', 'high', 'medium', 'low'].map((severity) => numberText(failing[severity] ?? 0)),
          ...[String(changes?.fails.length ?? ''), String(changes?.mended.length ?? '')],
        ],
        nothing: 'There are no scans of this pack and scope.',
      });
    });
}

function changeText(score: number | undefined, before: number | undefined): string {
  if (score === undefined || before === undefined) return '';
  const change = Math.round((score - before) * 100) / 100;
  return change > 0 ? `+${change}` : String(change);
}

function addMend(scan: Command, env: CommandEnv): void {
  scan
    .command('mend <id> <check>')
    .description(
      'Tries the action that mends a check where it failed without an exception. Nothing is changed: --dry-run.',
    )
    .requiredOption('-n, --dry-run', 'say what would be done, change nothing; waits for the answers')
    .option('--expires <duration>', 'how long it waits for endpoints that are away', '2m')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async (text: string, check: string, { expires, output }: { expires: string; output: string }) => {
      const form = parseOutput(output, LIST_OUTPUTS);
      const id = await wholeId(env.client(), 'query', text);
      const mend = await env.client().call('GET /v1/scans/{id}/mend', { params: { id }, query: { check } });
      const { stderr } = env.terminal;
      const { action, params, target, remediation, excepted, unreadable, partly, isWhole } = mend;
      if (remediation !== undefined) await stderr.write(`${escapeControls(remediation)}\n`);
      if (action === undefined)
        throw new CliError(`no action mends ${check}`, { exitCode: EXIT.usage, hint: 'do what the remediation says' });
      if (excepted > 0) await stderr.write(`${counted(excepted, 'endpoint')} excepted, left alone\n`);
      if (unreadable > 0)
        await stderr.write(
          `${counted(unreadable, 'endpoint')} left out: without evidence that the action can be bound to\n`,
        );
      if (partly > 0)
        await stderr.write(
          `${counted(partly, 'endpoint')} only in part: with more rows than the scan kept. Scan again afterwards\n`,
        );
      if (!isWhole) await stderr.write(PARTLY);
      if (target === undefined) throw usageError('there is nobody to mend it on');
      const body = { action, params, target, dryRun: true, expiresIn: expires, reason: `mends ${check} of scan ${id}` };
      await submitAndReport(env, (call) => env.client().call('POST /v1/commands', { ...call, body }), {
        ...{ output: form, watch: true },
      });
    });
}
