import { CliError, usageError } from '../terminal/cli-error.js';
import type { CommandPlanJson } from '@muster/api-contract';
import { escapedLines } from '../terminal/escape.js';
import { counted, numberText } from '../terminal/listing.js';
import type { Prompt, Terminal } from '../terminal/terminal.js';
import type { BoundRow } from './rows.js';

/** A destructive action on more targets than this is confirmed by typing their number. */
const MANY = 100;
const ROWS_SHOWN = 5;

export interface Intent {
  /** The action with its parameters, as it would be typed. */
  readonly command: string;
  readonly summary: string;
  readonly destructive: boolean;
  readonly reversible: boolean;
  readonly target: string;
  readonly rows?: readonly BoundRow[] | undefined;
}

/**
 * Opens the prompt for the confirmation; undefined when none is needed. When standard input is rows, the prompt is at the
 * controlling terminal.
 * @throws CliError when there is no terminal
 */
export function openPrompt(
  terminal: Terminal,
  { yes, from }: { yes: boolean; from?: string | undefined },
): Prompt | undefined {
  if (yes) return undefined;
  const prompt = terminal.openPrompt(from === '-' ? 'controlling' : 'input');
  if (prompt === undefined)
    throw usageError(
      'nobody is at a terminal to confirm this',
      'say --yes to do it, or --dry-run to see what it would do',
    );
  return prompt;
}

/** Shows what is about to happen and asks. @throws CliError unless the answer is yes */
export async function confirm(prompt: Prompt, intent: Intent, plan: CommandPlanJson): Promise<void> {
  const isTyped = intent.destructive && plan.targets > MANY;
  if (!isTyped) return agree(prompt, describe(intent, plan));
  const question = `Type the number of targets (${plan.targets}) to go on: `;
  const answer = await prompt.ask(escapedLines(describe(intent, plan)) + question);
  if (answer?.replaceAll(/[,\s]/g, '') !== String(plan.targets)) throw notConfirmed();
}

/** Shows the lines and asks for a yes. @throws CliError without one */
export async function agree(prompt: Prompt, lines: readonly string[]): Promise<void> {
  const answer = (await prompt.ask(`${escapedLines(lines)}Go on? [y/N] `))?.trim().toLowerCase();
  if (answer !== 'y' && answer !== 'yes') throw notConfirmed();
}

function notConfirmed(): CliError {
  return new CliError('not confirmed; nothing was submitted');
}

function describe(
  { command, summary, destructive, reversible, target, rows }: Intent,
  plan: CommandPlanJson,
): string[] {
  const { targets, connected, unsupported, approval } = plan;
  const away = targets - connected;
  const counts = [
    `${numberText(connected)} connected`,
    ...(away > 0 ? [`${numberText(away)} when they return`] : []),
    ...(unsupported > 0 ? [`${numberText(unsupported)} cannot do it`] : []),
  ];
  const nature = [...(destructive ? ['is destructive'] : []), ...(reversible ? [] : ['cannot be taken back'])];
  return [
    `${command}: ${summary}`,
    ...rowLines(rows ?? []),
    `on ${counted(targets, 'target')} (${target}): ${counts.join(', ')}`,
    ...(nature.length > 0 ? [`It ${nature.join(', and ')}.`] : []),
    ...(reversible ? ['`muster undo` can take it back.'] : []),
    ...(approval === undefined ? [] : [`Another person must approve it: ${approval.why}.`]),
  ];
}

function rowLines(rows: readonly BoundRow[]): string[] {
  const more = rows.length - ROWS_SHOWN;
  return [
    ...rows.slice(0, ROWS_SHOWN).map(({ host, row }) => `  ${host}: ${bindingText(row)}`),
    ...(more > 0 ? [`  … and ${numberText(more)} more`] : []),
  ];
}

function bindingText(row: BoundRow['row']): string {
  return Object.entries(row)
    .map(([column, value]) => `${column}=${String(value)}`)
    .join(' ');
}
