import type { CommandEnv } from '../environment/command-env.js';
import type { CommandJson } from '../environment/command-json.js';
import { paramsText } from '../actions/params.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { counted, shortTime, type ListOutput } from '../terminal/listing.js';
import { submit } from './submit.js';
import { ledgerText } from './summary.js';
import { watchCommand } from './watch.js';

export interface OrderOptions {
  readonly output: ListOutput;
  /** Until every target has an outcome. */
  readonly watch: boolean;
  readonly key?: string | undefined;
}

/** Makes a command and says so, or watches it. */
export async function order(env: CommandEnv, path: string, body: unknown, options: OrderOptions): Promise<void> {
  const { output, watch, key } = options;
  const { terminal } = env;
  const { stdout, stderr } = terminal;
  const interrupted = new AbortController();
  const offInterrupt = terminal.onInterrupt(() => interrupted.abort());
  let command: CommandJson;
  try {
    const onRetry = (): void => void stderr.write('the answer was lost, asking again\n').catch(() => undefined);
    command = await submit(env.client(), path, body, { key, signal: interrupted.signal, onRetry });
  } finally {
    offInterrupt();
  }
  await stderr.write(acceptedText(command, options));
  if (watch) return env.exit(await watchCommand(env.client(), terminal, command, output));
  await stdout.write(output === 'table' ? `${command.id}\n` : `${safeJson(command)}\n`);
}

function acceptedText(command: CommandJson, { watch, key }: OrderOptions): string {
  const { id, action, params, dryRun, ledger, status, approval, expiresAt } = command;
  const what = `${dryRun ? 'dry run of ' : ''}${[action, paramsText(params)].filter((part) => part !== '').join(' ')}`;
  // With a key that was made up here it was this very order, whose answer was lost.
  const repeated = command.repeated === true && key !== undefined ? '; it was ordered before with the same key' : '';
  const lines = [`${id}: ${what} on ${counted(ledger.targeted, 'target')}${repeated}`];
  if (status === 'awaiting_approval') {
    const why = approval === undefined ? '' : `: ${approval.why}`;
    lines.push(`It waits for the approval of another person${why}. \`muster commands approve ${id}\` gives it.`);
  }
  if (!watch) {
    lines.push(`${ledgerText(ledger)}; valid until ${shortTime(expiresAt)} UTC.`);
    lines.push(`\`muster commands watch ${id}\` shows what becomes of it.`);
  }
  return lines.map((line) => `${escapeControls(line)}\n`).join('');
}
