import { shortTime } from '../terminal/time-text.js';
import { commandText } from '../actions/params.js';
import type { CommandEnv } from '../environment/command-env.js';
import { escapedLines, safeJson } from '../terminal/escape.js';
import { counted, type ListOutput } from '../terminal/listing.js';
import { submit, type SubmitCall, type Submitted } from './submit.js';
import { ledgerText } from './summary.js';
import { watchCommand } from './watch.js';

export interface SubmissionOptions {
  readonly output: ListOutput;
  /** Whether to print outcomes until every target has one. */
  readonly watch: boolean;
  readonly key?: string | undefined;
}

/** Submits a command, and prints that it was accepted or watches it to its end. */
export async function submitAndReport(
  env: CommandEnv,
  send: (call: SubmitCall) => Promise<Submitted>,
  options: SubmissionOptions,
): Promise<void> {
  const { output, watch, key } = options;
  const { terminal } = env;
  const { stdout, stderr } = terminal;
  const interrupted = new AbortController();
  const offInterrupt = terminal.onInterrupt(() => interrupted.abort());
  let command: Submitted;
  try {
    const onRetry = (): void => void stderr.write('the answer was lost, asking again\n').catch(() => undefined);
    command = await submit(env, send, { key, signal: interrupted.signal, onRetry });
  } finally {
    offInterrupt();
  }
  await stderr.write(acceptedText(command, options));
  if (watch) return env.exit(await watchCommand(env, command, output));
  await stdout.write(output === 'table' ? `${command.id}\n` : `${safeJson(command)}\n`);
}

function acceptedText(command: Submitted, { watch, key }: SubmissionOptions): string {
  const { id, action, params, dryRun, ledger, status, approval, expiresAt } = command;
  const what = `${dryRun ? 'dry run of ' : ''}${commandText(action, params)}`;
  // With a random key the earlier request was this one, whose answer was lost.
  const repeated = command.repeated === true && key !== undefined ? '; it was ordered before with the same key' : '';
  const lines = [`${id}: ${what} on ${counted(ledger.targeted, 'target')}${repeated}`];
  if (status === 'awaiting_approval') {
    const why = approval === undefined ? '' : `: ${approval.why}`;
    lines.push(`It waits for the approval of another person${why}. \`muster commands approve ${id}\` gives it.`);
  }
  if (!watch) {
    lines.push(`${ledgerText(ledger)}; valid until ${shortTime(expiresAt)}.`);
    lines.push(`\`muster commands watch ${id}\` shows what becomes of it.`);
  }
  return escapedLines(lines);
}
