import type { CommandReport } from '@muster/messages';
import type { CommandFold } from '@muster/records';

/** The code of an endpoint that cannot write down what it runs. It means "not now", and is no outcome. */
export const NO_ROOM = 'ledger_unavailable';

/**
 * Whether an endpoint says that it cannot write down what it runs. It may run the command later: the target stays open,
 * and is offered again until it expires. Agents say `accepted` and wait for room; earlier ones say `refused` and
 * remember nothing.
 */
export function saysNoRoom({ state, code, authentic }: CommandReport): boolean {
  return authentic && (state === 'refused' || state === 'accepted') && code === NO_ROOM;
}

/** Whether that was the last that the target's endpoint said. */
export function hasNoRoom(fold: CommandFold, target: number): boolean {
  return fold.outcome(target)?.code === NO_ROOM;
}
