import type { StreamDefinition } from '@muster/bus';
import { BROKER_RIGHTS, type BrokerUser } from '@muster/messages';
import type { ServiceConfig } from './common-fields.js';
import { streamDefinitions } from './stream-definitions.js';

/**
 * How a service uses NATS. Services that make consumers make readers for gateways too, whatever rights they have
 * themselves: gateways with their own rights ask for them. Any of them will do: where none runs, nobody writes what
 * gateways read.
 */
export function brokerUse(service: string, rights: ServiceConfig['natsRights']) {
  if (!isUser(service)) return {};
  const { makes } = BROKER_RIGHTS[service];
  const asks = rights === 'own' ? ('ask' as const) : ('make' as const);
  return {
    inbox: service,
    readers: makes === 'consumers' ? { streams: BROKER_RIGHTS.gateway.streams, inbox: '_INBOX.gateway.' } : asks,
  };
}

/** The streams that it makes at its start: all. With rights of its own, those that it has a right to, which `muster-setup` makes. */
export function streamsFor(service: string, config: ServiceConfig): readonly StreamDefinition[] {
  const all = streamDefinitions(config);
  if (config.natsRights !== 'own' || !isUser(service)) return all;
  const { streams } = BROKER_RIGHTS[service];
  return all.filter(({ name }) => streams.includes(name)).map((stream) => ({ ...stream, expected: true }));
}

function isUser(service: string): service is BrokerUser {
  return Object.hasOwn(BROKER_RIGHTS, service);
}
