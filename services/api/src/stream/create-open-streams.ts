import type { Broker } from '@muster/bus';
import type { Logger } from '@muster/runtime';
import { CommandStore } from '../commands/command-store.js';
import { Shares, type ShareBounds } from '../http/shares.js';
import { OpenStreams } from './open-streams.js';
import { SubscriptionSources, type SourceParts } from './subscription-sources.js';

export interface OpenStreamsParts extends Omit<SourceParts, 'streams' | 'commands'> {
  readonly broker: Pick<Broker, 'bus' | 'streams'>;
  readonly logger: Logger;
  /** How many subscriptions may be open; those of event streams. */
  readonly bounds: ShareBounds;
}

/** The multiplexed streams of this process, with what their subscriptions read. */
export function createOpenStreams({ broker, logger, bounds, ...parts }: OpenStreamsParts): OpenStreams {
  const { streams, bus } = broker;
  const commands = new CommandStore({ streams, directory: parts.directory });
  const sources = new SubscriptionSources({ ...parts, streams, commands });
  return new OpenStreams({ bus, logger, sources, clock: parts.clock, shares: new Shares(bounds) });
}
