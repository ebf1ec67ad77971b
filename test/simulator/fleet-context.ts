import type { QueryBody, SessionMode } from '@muster/protocol';
import type { SimulatedAgent } from './agent.js';
import type { AnswerSource } from './answer.js';
import type { ChannelBehaviour } from './channel.js';
import type { CommandContext } from './commands/command-context.js';
import type { FleetStats } from './fleet-stats.js';
import type { Pacer } from './pacer.js';
import type { Wire, WireOwner } from './wire/wire.js';

/** What all agents of a fleet share; the fleet owns it. */
export interface FleetContext {
  readonly options: {
    readonly seed: number;
    readonly slowMs: number;
    readonly disappearMs: number;
    readonly channel: ChannelBehaviour;
  };
  readonly stats: FleetStats;
  readonly answers: AnswerSource;
  readonly pacer: Pacer;
  readonly commands: CommandContext;
  /** The time to about a second, without asking for it at each message. */
  readonly coarseNowMs: number;
  /** Connects to the gateway number `gateway`, modulo how many there are. */
  openWire(
    owner: WireOwner,
    agent: SimulatedAgent,
    way: { readonly mode: SessionMode; readonly gateway: number },
  ): Wire;
  /** A QUERY body decoded, `undefined` when it does not fit. */
  readQuery(body: Uint8Array): QueryBody | undefined;
  /** Gets a new token, then connects. */
  enrolAgain(agent: SimulatedAgent): void;
  /** An agent became ready or stays away, or a session ended. */
  settled(): void;
}
