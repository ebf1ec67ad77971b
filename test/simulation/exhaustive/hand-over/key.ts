import type { GatewayUnderSearch } from './gateway-under-search.js';
import { GATEWAYS, type HandOver } from './hand-over.js';
import { mailText } from './mail-text.js';

/**
 * All that matters of a state. Which gateway is which does not matter, nor which endpoint: of all ways to name them the
 * first in the alphabet counts. Epochs are replaced by their order.
 */
export function keyOf(state: HandOver): string {
  let least: string | undefined;
  const looks = state.gateways.map((gateway) => lookOf(state, gateway));
  for (const gateways of GATEWAY_ORDERS) {
    // Only among gateways that look the same does the order have to be tried.
    if (gateways.some((number, at) => at > 0 && (looks[gateways[at - 1] ?? 0] ?? '') > (looks[number] ?? ''))) continue;
    for (const endpoints of ENDPOINT_ORDERS[state.endpoints.length] ?? []) {
      const text = textOf(state, gateways, endpoints);
      if (least === undefined || text < least) least = text;
    }
  }
  return least ?? '';
}

/** What can be said of a gateway without any name. */
function lookOf(state: HandOver, gateway: GatewayUnderSearch): string {
  const { isDraining, isStopped, isFrozen, owesRenewal, identity, hub, table, mail, registry } = gateway;
  const marks = [isDraining, isStopped, isFrozen, owesRenewal, state.isLive(identity.id)].map(Number).join('');
  return `${marks} ${hub.size} ${table.size} ${mail.length} ${registry.text.replaceAll(/\be\d|@[^@]*@/g, '')}`;
}

const GATEWAY_ORDERS = orders(GATEWAYS);
const ENDPOINT_ORDERS = [0, 1, 2].map(orders);

function orders(count: number): number[][] {
  if (count === 0) return [[]];
  return orders(count - 1).flatMap((order) =>
    Array.from({ length: count }, (_, at) => order.toSpliced(at, 0, count - 1)),
  );
}

/** Position → number. */
function textOf(state: HandOver, gateways: readonly number[], endpoints: readonly number[]): string {
  const parts: string[] = [state.isEmptied ? 'emptied' : '', String(state.faults.length)];
  const nameOf = new Map<string, string>();
  for (const [at, number] of gateways.entries()) {
    const gateway = state.gateways[number];
    if (gateway === undefined) continue;
    const { id } = gateway.identity;
    nameOf.set(id, `G${at}`);
    const marks = [gateway.isDraining, gateway.isStopped, gateway.isFrozen, gateway.owesRenewal, state.isLive(id)];
    const held = [...gateway.hub.sessions()].map(
      ({ agentId, epoch, confirmed }) => `${agentId} ${of(agentId, `@${epoch}@`)}${confirmed ? '' : '?'}`,
    );
    const mail = gateway.mail.map(
      ({ subject, data }) => `${gateway.listensTo(subject) ? '' : 'late '}${mailText(data)}`,
    );
    parts.push(marks.map(Number).join(''), held.toSorted().join(','), mail.join(','), gateway.registry.text);
  }
  for (const number of endpoints) {
    const endpoint = state.endpoints[number];
    if (endpoint === undefined) continue;
    const { agentId, wires, session, text } = endpoint;
    const entry = state.store.entries.get(agentId);
    const holder =
      entry === undefined
        ? ''
        : `${nameOf.get(entry.gatewayId) ?? (entry.gatewayId === '' ? 'nobody' : 'former')} @${entry.epoch}@`;
    const own = [`${agentId}: ${text}`, holder];
    for (const wire of wires) {
      const held = [...(state.gatewayOf(wire)?.table.sessions() ?? [])].find(
        ({ connection }) => connection === wire.gatewaySide,
      );
      const at = wire.gateway === undefined ? '' : gateways.indexOf(wire.gateway);
      own.push(`${wire === session ? '*' : ''}${at} ${wire.text} ${held?.state ?? ''} @${held?.epoch ?? ''}@`);
    }
    parts.push(...own.map((part) => of(agentId, part)));
  }
  return ranked(renamed(parts.join('\n'), endpoints));
}

const renamed = (text: string, endpoints: readonly number[]): string =>
  text.replaceAll(/\be(\d)\b/g, (_, num: string) => `E${endpoints.indexOf(Number(num) - 1)}`);

/** Says of epochs whose they are, where that was not said. */
const of = (agentId: string, text: string): string => text.replaceAll(/@(\d+)@/g, `@${agentId}:$1@`);

/** The epochs of each endpoint by their order. */
function ranked(text: string): string {
  const epochs = new Map<string, Set<number>>();
  for (const [, endpoint = '', epoch] of text.matchAll(/@(\w+):(\d+)@/g))
    epochs.set(endpoint, (epochs.get(endpoint) ?? new Set()).add(Number(epoch)));
  const order = new Map([...epochs].map(([endpoint, set]) => [endpoint, [...set].toSorted((a, b) => a - b)]));
  return text.replaceAll(/@(\w+):(\d+)@/g, (_, endpoint: string, epoch: string) => {
    return `@${order.get(endpoint)?.indexOf(Number(epoch)) ?? ''}@`;
  });
}
