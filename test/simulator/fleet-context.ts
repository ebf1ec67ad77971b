import type { QueryBody } from '@muster/protocol';
import type { SimulatedAgent } from './agent.js';
import type { AnswerSource } from './answer.js';
import type { CommandContext } from './commands/command-context.js';
import type { FleetStats } from './fleet-stats.js';
import type { Pacer } from './pacer.js';
import type { OpenOptions, Target } from './wire/raw-web-socket.js';

/** What all agents of a fleet share; the fleet owns it. */
export interface FleetContext {
  readonly options: { readonly seed: number; readonly slowMs: number; readonly disappearMs: number };
  readonly stats: FleetStats;
  readonly answers: AnswerSource;
  readonly pacer: Pacer;
  readonly commands: CommandContext;
  /** The time to about a second, without asking for it at each message. */
  readonly coarseNowMs: number;
  /** The gateway number `index`, modulo how many there are. */
  target(index: number): Target;
  openOptions(agent: SimulatedAgent, gateway: number): OpenOptions;
  /** A QUERY body decoded, `undefined` when it does not fit. */
  readQuery(body: Uint8Array): QueryBody | undefined;
  /** Gets a new token, then connects. */
  enrolAgain(agent: SimulatedAgent): void;
  /** An agent became ready or stays away. */
  settled(): void;
}
