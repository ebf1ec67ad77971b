import { isTerminal, type CommandState } from '@muster/protocol';
import type { KeptTarget } from '../record/kept-commands.js';
import type { SentCommand } from './commands.js';

/** A command, what is kept of it, and how often it took effect. */
export interface JudgedCommand {
  readonly command: SentCommand;
  /** Undefined when the journal has no such command. */
  readonly target: Pick<KeptTarget, 'state' | 'code' | 'effects' | 'late'> | undefined;
  readonly effects: number;
}

/** What did not hold of a command, as one sentence each. */
export function faultsOf({ command, target, effects }: JudgedCommand): string[] {
  const about = `${command.id} (${command.endpoint}, ${command.fault}, ${command.witness})`;
  if (target === undefined) return [`${about}: accepted, and not in the journal`];
  const { state, code, late } = target;
  const told = late === undefined ? `${state}/${code}` : `${state}/${code}, late ${late.state}/${late.code}`;
  const found: string[] = [];
  if (!isTerminal(state)) found.push('has not ended');
  if (effects > 1) found.push(`took effect ${effects} times`);
  // What the service says when it heard nothing is no statement about the effect; the late report is.
  const real = isGuess(code) ? late : target;
  const expected = real === undefined ? [0, 1] : expectedEffects(real.state, real.effects);
  if (effects <= 1 && !expected.includes(effects)) found.push(`took effect ${effects} times`);
  return found.map((fault) => `${about}: ${fault}, and is ${told}`);
}

function isGuess(code: string): boolean {
  return code === 'unconfirmed' || code === 'no_report';
}

/** How often a command can have taken effect that ended like this. */
function expectedEffects(state: CommandState, effects: readonly string[] = []): readonly number[] {
  switch (state) {
    case 'succeeded':
      return [1];
    case 'refused':
    case 'unsupported':
    case 'expired':
      return [0];
    case 'cancelled':
      return effects.length > 0 ? [1] : [0];
    default:
      return [0, 1];
  }
}
