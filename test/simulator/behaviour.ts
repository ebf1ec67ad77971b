import { seededUnit } from './seeded.js';

/**
 * What an agent does with a query: `normal` answers at once, `slow` after a delay, `failing` says that it failed, `silent` never says
 * anything, `disappearing` drops its connection and stays away for a while.
 */
export type Behaviour = 'normal' | 'slow' | 'failing' | 'silent' | 'disappearing';

/** The share of agents (0 to 1) of each kind; the rest is normal. */
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
