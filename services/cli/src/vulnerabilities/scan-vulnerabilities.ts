import { setTimeout } from 'node:timers/promises';
import type { VulnerabilityScanJson } from '@muster/api-contract';
import { ledgerComplete, VULNERABILITY_SEVERITIES } from '@muster/protocol';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { stillThere } from '../environment/still-there.js';
import { ledgerWords } from '../query/summary.js';
import { EXIT, usageError, type ExitCode } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { numberText, parseOutput, printList } from '../terminal/listing.js';
import { elapsedText } from '../terminal/time-text.js';

export const SEVERITY_NAMES: readonly string[] = VULNERABILITY_SEVERITIES;
const LOOK_MS = 300;

const HELP = `
Exit codes: 0 every endpoint in scope answered and every package is known to be vulnerable or not, 1 error, 2 usage, 3 something is not known: also when nobody
was asked, and with --fail-on when the severity of a vulnerability is not known; 4 there is a vulnerability that --fail-on names, or one that is known to be
exploited, 130 Ctrl-C (the scan goes on).`;

interface ScanOptions {
  readonly target?: string;
  readonly timeout?: string;
  readonly failOn?: string;
  readonly detach?: boolean;
  readonly output: string;
}

/** `muster vulnerabilities scan`. */
export function addScan(command: Command, env: CommandEnv): void {
  command
    .command('scan')
    .description('Asks every connected endpoint in scope for its software, and compares it with the feeds.')
    .option('-t, --target <selector>', 'which endpoints: os=linux,env in (prod,staging)')
    .option('--timeout <duration>', 'how long an endpoint may take: 1s to 10m (default 60s)')
    .option(
      '--fail-on <severity>',
      'end with 4 when there is a vulnerability of this severity or above, or one that is known exploited',
    )
    .option('-d, --detach', 'print the id of the scan and leave it')
    .option('-o, --output <form>', 'table|json', 'table')
    .addHelpText('after', HELP)
    .action(async (options: ScanOptions) => env.exit(await scan(env, options)));
}

async function scan(env: CommandEnv, { target = '', timeout, failOn, detach, output }: ScanOptions): Promise<ExitCode> {
  const form = parseOutput(output, ['table', 'json']);
  if (failOn !== undefined && !SEVERITY_NAMES.includes(failOn))
    throw usageError(`--fail-on must be one of ${SEVERITY_NAMES.join(', ')}, not "${failOn}"`);
  const client = env.client();
  const { stdout } = env.terminal;
  const body = { selector: target, ...(timeout === undefined ? {} : { timeout }) };
  const { id } = await client.call('POST /v1/vulnerability-scans', { body });
  if (detach === true) {
    await stdout.write(`${id}\n`);
    return EXIT.complete;
  }
  const interrupted = new AbortController();
  const off = env.terminal.onInterrupt(() => interrupted.abort());
  try {
    let found = await client.call('GET /v1/vulnerability-scans/{id}', { params: { id } });
    while (found.state === 'running' && !interrupted.signal.aborted) {
      await setTimeout(LOOK_MS, undefined, { signal: interrupted.signal }).catch(() => undefined);
      found = await client.call('GET /v1/vulnerability-scans/{id}', { params: { id } });
    }
    if (form === 'json') await stdout.write(`${safeJson(found)}\n`);
    else await render(env, found);
    for (const line of warningsOf(found, failOn)) await env.terminal.stderr.write(`${line}\n`);
    if (found.state === 'running')
      await env.terminal.stderr.write(`It goes on: muster vulnerabilities list --scan ${id}\n`);
    return interrupted.signal.aborted ? EXIT.interrupted : exitOf(found, failOn);
  } catch (error) {
    throw stillThere(env, error, `the scan ${id} may go on: muster vulnerabilities list --scan ${id}`);
  } finally {
    off();
  }
}

async function render(env: CommandEnv, found: VulnerabilityScanJson): Promise<void> {
  const { stdout, stderr } = env.terminal;
  const { vulnerabilities, packages, questions, notKnown = [] } = found;
  const lines = [`${found.id} ${found.state}${elapsedText(found.createdAt, found.endedAt)}`];
  if (found.fault !== undefined) lines.push(escapeControls(found.fault));
  if (vulnerabilities !== undefined) {
    const words = SEVERITY_NAMES.map((one) => [one, (vulnerabilities as Record<string, number>)[one] ?? 0] as const)
      .filter(([, count]) => count > 0)
      .map(([one, count]) => `${numberText(count)} ${one}`);
    lines.push(`vulnerabilities: ${words.join(', ') || 'none is known'}`);
    lines.push(
      `known exploited: ${numberText(found.knownExploited ?? 0)}, suppressed: ${numberText(found.suppressed ?? 0)}`,
    );
  }
  if (packages !== undefined)
    lines.push(
      `packages and versions: ${numberText(packages.vulnerable)} vulnerable, ${numberText(packages.not_vulnerable)} not, ${numberText(packages.not_known)} not known`,
    );
  for (const { kind, ledger, state, query } of questions)
    if (ledger !== undefined)
      lines.push(
        `${kind} (${query}) ${state}: ${numberText(ledger.targeted)} targeted = ${ledgerWords(ledger) || 'nobody'}`,
      );
  if (found.truncated !== undefined) lines.push(`Not everything is told: ${escapeControls(found.truncated)}`);
  await stdout.write(`${lines.join('\n')}\n`);
  if (notKnown.length === 0) return;
  await stderr.write('Not known:\n');
  await printList({ ...env.terminal, stdout: stderr }, 'table', notKnown, {
    headers: ['of', 'why', 'packages', 'endpoints', 'such as'],
    row: (one) => [
      ...[escapeControls(one.ecosystem), escapeControls(one.reason), numberText(one.packages)],
      ...[numberText(one.endpointsAtMost), escapeControls(one.sample.slice(0, 3).join(', '))],
    ],
    nothing: '',
  });
}

/** What the numbers do not say by themselves. */
function warningsOf(found: VulnerabilityScanJson, failOn: string | undefined): string[] {
  if (found.state === 'running' || found.state === 'failed') return [];
  const warnings: string[] = [];
  if (!hasAnswers(found)) warnings.push('No endpoint answered: nothing is known.');
  const unrated = unratedOf(found, failOn);
  if (unrated > 0)
    warnings.push(
      `The severity of ${numberText(unrated)} is not known: whether --fail-on ${failOn ?? ''} names them is not known either.`,
    );
  return warnings;
}

/** Both questions: one that nobody answered says nothing about its packages. `empty` is an answer: there are none. */
function hasAnswers({ questions }: VulnerabilityScanJson): boolean {
  return (
    questions.length > 0 && questions.every(({ ledger }) => ledger !== undefined && ledger.answered + ledger.empty > 0)
  );
}

/** Vulnerabilities of which nobody knows whether `failOn` names them. */
function unratedOf({ vulnerabilities }: VulnerabilityScanJson, failOn: string | undefined): number {
  return failOn === undefined || failOn === 'unknown' ? 0 : (vulnerabilities?.unknown ?? 0);
}

/**
 * 4 when there is a vulnerability of `failOn` or above, or a known exploited one, which may have no severity; 3 when
 * something is not known.
 */
function exitOf(found: VulnerabilityScanJson, failOn: string | undefined): ExitCode {
  const { state, vulnerabilities, knownExploited = 0, questions, packages, notKnown = [], truncated } = found;
  if (state === 'failed') return EXIT.error;
  const counts = (vulnerabilities ?? {}) as Record<string, number>;
  const failing = failOn === undefined ? [] : SEVERITY_NAMES.slice(0, SEVERITY_NAMES.indexOf(failOn) + 1);
  const isExploited = failOn !== undefined && knownExploited > 0;
  if (isExploited || failing.some((one) => (counts[one] ?? 0) > 0)) return EXIT.findings;
  const isWhole =
    state === 'complete' &&
    truncated === undefined &&
    packages?.not_known === 0 &&
    notKnown.length === 0 &&
    unratedOf(found, failOn) === 0 &&
    hasAnswers(found) &&
    questions.every(({ ledger }) => ledger !== undefined && ledgerComplete(ledger));
  return isWhole ? EXIT.complete : EXIT.partial;
}
