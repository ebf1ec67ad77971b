import type { Labels } from '@muster/protocol';
import { ALL_NORMAL, type BehaviourMix } from './behaviour.js';
import { completeChannelBehaviour, type ChannelBehaviour } from './channel-selector.js';
import { completeCommandBehaviour, type CommandBehaviour } from '../commands/command-behaviour.js';
import type { PackBehaviour } from '../packs/simulated-packs.js';
import type { Identity } from './identity.js';

/** The options of a fleet. */
export interface FleetOptions {
  /** `wss://host:port` or `ws://host:port`. Agents spread over the gateways, and change to the next one when theirs is lost. */
  readonly gateways: readonly [string, ...string[]];
  readonly org: string;
  readonly enrolSecret: string;
  readonly agents: number;
  /** PEM of the CA to trust. */
  readonly ca?: string;
  /** The index of the first agent; several processes share a fleet by different ranges. Default 0. */
  readonly firstIndex?: number;
  /** Same seed, same machines, same keys. Default 1. */
  readonly seed?: number;
  /** Connections begun per second. Default 2,000. */
  readonly connectsPerSecond?: number;
  /** Connections that may be under way at once. Default 256. */
  readonly connectsInFlight?: number;
  readonly behaviour?: Partial<BehaviourMix>;
  /** What agents do with commands; independent of what they do with queries. */
  readonly commands?: Partial<CommandBehaviour>;
  /** Whether agents measure, and send made-up metrics of their machines as the gateway says. Default: no. */
  readonly metrics?: boolean;
  /** What they say of the checks of packs. Default: they run none. */
  readonly packs?: PackBehaviour;
  /** Live or Poll, and whether gateways can change that. Default: Live, until a gateway assigns another. */
  readonly channel?: Partial<ChannelBehaviour>;
  /** How long slow agents take, on average. Default 3 s. */
  readonly slowMs?: number;
  /** After how long a disappearing agent reconnects. Default 60 s. */
  readonly disappearMs?: number;
  /** Labels that every agent gives itself, besides site, env and role. */
  readonly labels?: Labels;
  /** All machines of one image, so that all answer alike. */
  readonly uniform?: boolean;
  /** Identities from an earlier run, by index; those agents do not enrol. */
  readonly identities?: ReadonlyMap<number, Identity>;
}

export type CompleteFleetOptions = Required<
  Omit<FleetOptions, 'ca' | 'behaviour' | 'commands' | 'channel' | 'packs'>
> & {
  readonly packs?: PackBehaviour;
  readonly ca: string | undefined;
  readonly behaviour: BehaviourMix;
  readonly commands: CommandBehaviour;
  readonly channel: ChannelBehaviour;
};

const DEFAULTS = {
  ca: undefined,
  firstIndex: 0,
  seed: 1,
  connectsPerSecond: 2_000,
  connectsInFlight: 256,
  slowMs: 3_000,
  disappearMs: 60_000,
  metrics: false,
  labels: {},
  uniform: false,
  identities: new Map<number, Identity>(),
};

/** Fills in the defaults. Throws a `RangeError` that names the option for a value that makes no sense. */
export function completeFleetOptions(options: FleetOptions): CompleteFleetOptions {
  const behaviour = { ...ALL_NORMAL, ...options.behaviour };
  const shares = Object.entries(behaviour);
  for (const [name, share] of shares) {
    if (!(share >= 0 && share <= 1)) throw new RangeError(`${name} is a share from 0 to 1, not ${share}`);
  }
  if (shares.reduce((sum, [, share]) => sum + share, 0) > 1) {
    throw new RangeError('slow, failing, silent and disappearing together are more than all agents');
  }
  if (!Number.isInteger(options.agents) || options.agents < 1) throw new RangeError('agents is a number from 1');
  return {
    ...DEFAULTS,
    ...options,
    behaviour,
    commands: completeCommandBehaviour(options.commands),
    channel: completeChannelBehaviour(options.channel),
  };
}
