import type { CommandReport } from '@muster/messages';
import type { CommandFold } from '@muster/records';

/** The code of an endpoint that cannot write down what it runs. It means "not now", and is no outcome. */
export const NO_ROOM = 'ledger_unavailable';

/**
 * Whether an endpoint says that it cannot write down what it runs. It remembers nothing of that, so it may run the command later: the target stays
 * open, and is offered again until it expires.
 */
export function saysNoRoom({ state, code, authentic }: CommandReport): boolean {
  return authentic && state === 'refused' && code === NO_ROOM;
}

/** Whether that was the last that the target's endpoint said. */
export function hasNoRoom(fold: CommandFold, target: number): boolean {
  return fold.outcome(target)?.code === NO_ROOM;
}
