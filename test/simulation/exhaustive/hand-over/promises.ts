import type { Step } from '../search/search.js';
import type { EndpointUnderSearch } from './endpoint-under-search.js';
import type { HandOver } from './hand-over.js';

/** After these an endpoint may be without a session for a while. */
const ENDS_SESSIONS = /loses its connection|stands still|gives up/;

/** The promises of sessions that move, each in words. `ordinary`: what goes on of itself. */
export function checkHandOver(state: HandOver, ordinary: readonly Step<HandOver>[]): string | undefined {
  for (const promise of [heldOnce, neverOlder, notFenced, neverWithout, heldByItsGateway]) {
    for (const endpoint of state.endpoints) {
      const what = promise(state, endpoint);
      if (what !== undefined) return `${endpoint.agentId}: ${what}`;
    }
  }
  if (ordinary.some(({ can }) => can?.(state) === true)) return undefined;
  for (const endpoint of state.endpoints) {
    const what = inTheEnd(state, endpoint);
    if (what !== undefined) return `${endpoint.agentId}, when nothing is under way: ${what}`;
  }
  return undefined;
}

type Promised = (state: HandOver, endpoint: EndpointUnderSearch) => string | undefined;

/** The registry names at most one session that a gateway holds. */
const heldOnce: Promised = ({ gateways, store }, { agentId }) => {
  const epoch = store.entries.get(agentId)?.epoch;
  const holders = gateways.filter(({ hub }) => hub.get(agentId)?.epoch === epoch);
  return epoch !== undefined && holders.length > 1 ? `${holders.length} gateways hold the session ${epoch}` : undefined;
};

/** The registry does not name a session that is older than the one which the endpoint has. */
const neverOlder: Promised = ({ store, isEmptied }, { agentId, epoch }) => {
  const known = store.entries.get(agentId)?.epoch;
  if (isEmptied || epoch === undefined || known === undefined || known >= epoch) return undefined;
  return `it has the session ${epoch}, and the registry says ${known}`;
};

/** What a gateway holds was registered under the id that it has: one that was fenced has given all up. */
const notFenced: Promised = ({ gateways, store }, { agentId }) => {
  const entry = store.entries.get(agentId);
  for (const { hub, identity, isFrozen } of gateways) {
    const session = hub.get(agentId);
    if (session === undefined || isFrozen || session.epoch !== entry?.epoch || entry.gatewayId === '') continue;
    if (entry.gatewayId !== identity.id) return `the session ${session.epoch} is held under an id that is over`;
  }
  return undefined;
};

/**
 * Make before break: at every moment a gateway holds a session of it over a connection that is whole, unless one was cut or a gateway stood
 * still. The word of the gateway, that it is ready, may still be on its way when the older session has ended.
 */
const neverWithout: Promised = ({ gateways, faults }, { agentId, wires }) => {
  if (faults.some((fault) => ENDS_SESSIONS.test(fault))) return undefined;
  const isHeld = wires.some(
    ({ isWhole, gatewaySide }) => isWhole && gateways.some(({ hub }) => hub.get(agentId)?.connection === gatewaySide),
  );
  return isHeld ? undefined : 'no gateway holds a session of it';
};

/** A connection that is whole, and over which nothing comes that would end it, is that of a session which the gateway holds. */
const heldByItsGateway: Promised = (state, { agentId, session }) => {
  const gateway = session === undefined ? undefined : state.gatewayOf(session);
  if (session === undefined || gateway === undefined || !session.isWhole) return undefined;
  const held = gateway.hub.get(agentId);
  return held?.connection === session.gatewaySide ? undefined : 'its gateway does not hold its session';
};

/** When nothing is under way any more. */
function inTheEnd(state: HandOver, { agentId, session, epoch, wires }: EndpointUnderSearch): string | undefined {
  if (session === undefined) return 'it has no session, and nothing will change that';
  if (wires.length > 1) return `it has ${wires.length} connections`;
  const holders = state.gateways.filter(({ hub }) => hub.get(agentId) !== undefined);
  if (holders.length !== 1) return `${holders.length} gateways hold it`;
  const entry = state.store.entries.get(agentId);
  if (entry?.epoch !== epoch) return `it has the session ${epoch}, and the registry says ${entry?.epoch}`;
  if (entry?.gatewayId !== holders[0]?.identity.id) return 'the registry names another gateway';
  return holders[0] !== undefined && !state.isLive(holders[0].identity.id) ? 'its gateway has no lease' : undefined;
}
