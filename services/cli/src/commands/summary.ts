import { COMMAND_STATES, isTerminal, type CommandLedger } from '@muster/protocol';
import { EXIT, type ExitCode } from '../terminal/cli-error.js';
import type { CommandJson, CommandTargetChangeJson } from '@muster/api-contract';
import { escapeControls } from '../terminal/escape.js';
import { renderTable, type Style } from '../terminal/table.js';
import { numberText } from '../terminal/listing.js';
import { elapsedText } from '../terminal/time-text.js';

/** `5,000 targeted · 4,800 succeeded · 10 running` */
export function ledgerProgress(ledger: CommandLedger): string {
  return ['targeted' as const, ...COMMAND_STATES]
    .filter((state) => state === 'targeted' || ledger[state] > 0)
    .map((state) => `${numberText(ledger[state])} ${words(state)}`)
    .join(' · ');
}

/** `12 succeeded, 3 queued`: for lists. */
export function ledgerText(ledger: CommandLedger): string {
  return COMMAND_STATES.filter((state) => ledger[state] > 0)
    .map((state) => `${numberText(ledger[state])} ${words(state)}`)
    .join(', ');
}

/** The ledger in words, and below it the first targets that did not succeed. */
export function renderCommandSummary(
  command: CommandJson,
  unsuccessful: { readonly named: readonly CommandTargetChangeJson[]; readonly count: number },
  style: Style,
  width: number | undefined,
): string {
  let text = `${headline(command, style)}\n`;
  const { named, count } = unsuccessful;
  if (count > 0) {
    const rows = named.map((target) => [hostOf(target), target.agentId ?? '', words(target.state), target.message]);
    text += `Did not succeed:\n${renderTable({ headers: ['host', 'agent', 'state', 'why'], width, style }, rows)}`;
    if (count > named.length)
      text += style.dim(
        `… and ${numberText(count - named.length)} more; \`muster commands targets ${command.id}\` names all\n`,
      );
  }
  return text;
}

function headline({ ledger, dryRun, cancel, submittedAt, endedAt }: CommandJson, style: Style): string {
  const counts = COMMAND_STATES.filter((state) => ledger[state] > 0).map((state) => {
    const text = `${numberText(ledger[state])} ${words(state)}`;
    return !isTerminal(state) ? style.yellow(text) : state === 'succeeded' ? style.green(text) : style.red(text);
  });
  const stopped = cancel === undefined ? '' : `${style.yellow(stoppedText(cancel))} `;
  const seconds = elapsedText(submittedAt, endedAt);
  const kind = dryRun ? '; a dry run, nothing was changed' : '';
  return `${stopped}${numberText(ledger.targeted)} targeted${counts.length === 0 ? '' : ` = ${counts.join(' + ')}`}${seconds}${kind}`;
}

function stoppedText({ by, message }: NonNullable<CommandJson['cancel']>): string {
  return `Stopped by ${escapeControls(by.name)}${message === '' ? '' : `: ${escapeControls(message)}`}.`;
}

/** 0 when every target succeeded, else 3. */
export function exitCodeOfCommand({ ledger }: CommandJson): ExitCode {
  return ledger.succeeded === ledger.targeted ? EXIT.complete : EXIT.partial;
}

export function hostOf({ host, agentId, number: target }: CommandTargetChangeJson): string {
  return host ?? agentId ?? `target ${target}`;
}

export const words = (state: string): string => state.replaceAll('_', ' ');
