import { seededUnit } from '../machine/seeded.js';

/**
 * What an agent does with a query. `normal` answers at once, `slow` after a delay, `failing` with an error, `silent` never.
 * `disappearing` drops its connection and reconnects later.
 */
export type Behaviour = 'normal' | 'slow' | 'failing' | 'silent' | 'disappearing';

/** The share of agents (0 to 1) of each kind; the others are normal. */
export interface BehaviourMix {
  readonly slow: number;
  readonly failing: number;
  readonly silent: number;
  readonly disappearing: number;
}

export const ALL_NORMAL: BehaviourMix = { slow: 0, failing: 0, silent: 0, disappearing: 0 };

/** The behaviour of agent `index`, the same for the same seed. */
export function behaviourOf(mix: BehaviourMix, seed: number, index: number): Behaviour {
  let rest = seededUnit(seed, index, 'behaviour');
  for (const kind of ['slow', 'failing', 'silent', 'disappearing'] as const) {
    rest -= mix[kind];
    if (rest < 0) return kind;
  }
  return 'normal';
}
