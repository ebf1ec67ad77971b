import { endpointLabel, type Directory, type Endpoint } from '@muster/directory';
import { AppError, parseSelector, selectorMatches, usesHealth, type Selector } from '@muster/protocol';
import type { Principal } from '../http/principal.js';
import type { KnownHealth } from './known-health.js';
import type { SessionsByAgent, PresenceReader } from './presence.js';

export interface SelectionParts {
  readonly directory: Pick<Directory, 'byId' | 'endpoints'>;
  readonly presence: PresenceReader;
  readonly health: Pick<KnownHealth, 'of'>;
}

/** A selector that is ready to be applied. Made once per request. */
export interface Selection {
  readonly matches: (endpoint: Endpoint) => boolean;
  /** The connected agents, read only when the selector or the caller needs them. `undefined` when that is not known. */
  readonly held: SessionsByAgent | undefined;
}

const usesMode = (selector: Selector): boolean => selector.some(({ key }) => key === 'mode');

/**
 * Agents must match both the bound of the principal and the selector. Throws `no_telemetry_service` or `timeout` when
 * they use `health` and it is not known of all endpoints. Throws `registry_unavailable` when they use `mode` and nobody
 * knows who is connected: `mode=live` would select nobody, and `mode!=poll` everybody.
 */
export async function selectionOf(
  { presence, health }: SelectionParts,
  principal: Principal,
  options: { readonly selector: string; readonly needsSessions?: boolean },
): Promise<Selection> {
  const parsed = parseSelector(options.selector);
  if (!parsed.ok) throw new AppError('bad_selector', parsed.message, { details: { offset: parsed.offset } });
  const selector = [...parsed.selector, ...principal.bound];
  const needsSessions = options.needsSessions === true || usesMode(selector);
  const held = needsSessions ? await presence.held(principal.org) : undefined;
  if (held === undefined && usesMode(selector)) {
    throw new AppError(
      'registry_unavailable',
      'nobody knows who is connected now, so `mode` selects nobody; try again',
    );
  }
  const healthOf = usesHealth(selector) ? await health.of(principal.org) : undefined;
  const matches = (endpoint: Endpoint) => {
    const label = endpointLabel(endpoint, held && (held.get(endpoint.agentId)?.mode ?? 'offline'));
    if (healthOf === undefined) return selectorMatches(selector, label);
    return selectorMatches(selector, (key) => (key === 'health' ? healthOf(endpoint.num) : label(key)));
  };
  return { matches, held };
}

/** The endpoint, if it is within the bound of the principal. Throws `not_found`. */
export async function findAgent(parts: SelectionParts, principal: Principal, id: string): Promise<Endpoint> {
  const endpoint = parts.directory.byId(principal.org, id);
  if (endpoint !== undefined) {
    const { matches } = await selectionOf(parts, principal, { selector: '' });
    if (matches(endpoint)) return endpoint;
  }
  throw new AppError('not_found', `there is no agent ${id}`);
}
