import type { Agenda } from './agenda.js';
import type { CommandBehaviour } from './command-behaviour.js';
import type { Oracle } from './oracle.js';
import type { OrderVerifier } from './order-verifier.js';

/** What all agents of a fleet share to take commands. */
export interface CommandContext {
  readonly org: string;
  readonly behaviour: CommandBehaviour;
  readonly verifier: OrderVerifier;
  readonly oracle: Oracle;
  readonly agenda: Agenda;
  readonly stats: CommandStats;
}

/** Counters of one fleet. */
export interface CommandStats {
  runs: number;
  /** Frames, repeats too. */
  reports: number;
  /** Orders that were not believed, or not for who got them. */
  refusedOrders: number;
  crashes: number;
}
