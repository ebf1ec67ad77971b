import type { QueryBody } from '@muster/protocol';
import type { AnswerSource } from '../truth/answer.js';
import type { SimulatedPacks } from '../packs/simulated-packs.js';
import type { Presence } from '../truth/presence.js';
import type { ChannelBehaviour } from './channel-selector.js';
import type { CommandContext } from '../commands/command-context.js';
import type { FleetStats } from './fleet-stats.js';
import type { ConnectPacer } from '../channels/connect-pacer.js';
import type { Wire, WireOwner } from '../channels/wire.js';
import type { Route, WireUser } from '../channels/wires.js';
import type { Machine } from '../machine/machine.js';
import type { Identity } from './identity.js';

/** An agent whose token is no longer valid. */
export interface EnrolledAgent {
  readonly machine: Machine;
  reenrolled(identity: Identity): void;
  connect(): void;
}

/** What all agents of a fleet share; the fleet owns it. */
export interface FleetContext {
  readonly options: {
    readonly seed: number;
    readonly slowMs: number;
    readonly disappearMs: number;
    readonly gateways: readonly string[];
    readonly channel: ChannelBehaviour;
    readonly metrics: boolean;
  };
  readonly stats: FleetStats;
  readonly presence: Presence;
  readonly answers: AnswerSource;
  /** Absent: its agents run no packs. */
  readonly packs: SimulatedPacks | undefined;
  readonly pacer: ConnectPacer;
  readonly commands: CommandContext;
  /** The time, accurate to about a second: cheaper than asking the clock at each message. */
  readonly coarseNowMs: number;
  openWire(owner: WireOwner, agent: WireUser, route: Route): Wire;
  /** Decodes a QUERY body; `undefined` when it is malformed. */
  readQuery(body: Uint8Array): QueryBody | undefined;
  /** Gets a new token, then connects. */
  enrolAgain(agent: EnrolledAgent): void;
  /** An agent became ready or excluded, or a session ended. */
  settled(): void;
}
