import { endpointLabel, type Directory, type Endpoint } from '@muster/directory';
import { AppError, parseSelector, selectorMatches, type Selector } from '@muster/protocol';
import type { Principal } from '../http/principal.js';
import type { SessionsByAgent, PresenceReader } from './presence.js';

export interface SelectionParts {
  readonly directory: Pick<Directory, 'byId' | 'endpoints'>;
  readonly presence: PresenceReader;
}

/** What a selection needs to be judged; made once per request. */
export interface Selection {
  readonly matches: (endpoint: Endpoint) => boolean;
  /** Who is connected; asked only when the selector or the caller needs it. `undefined` when nobody knows. */
  readonly held: SessionsByAgent | undefined;
}

const usesMode = (selector: Selector): boolean => selector.some(({ key }) => key === 'mode');

/**
 * A principal's bound and a selector that has been checked already, both of which must hold. Throws `broker_unavailable` with `toChange` when
 * they look at `mode` and nobody knows who is connected: what cannot be judged must not be changed.
 */
export async function selectionOf(
  { presence }: SelectionParts,
  principal: Principal,
  options: { readonly selector: string; readonly needsSessions?: boolean; readonly toChange?: boolean },
): Promise<Selection> {
  const parsed = parseSelector(options.selector);
  if (!parsed.ok) throw new AppError('bad_selector', parsed.message, { details: { offset: parsed.offset } });
  const selector = [...parsed.selector, ...principal.bound];
  const needsSessions = options.needsSessions === true || usesMode(selector);
  const held = needsSessions ? await presence.held(principal.org) : undefined;
  if (held === undefined && options.toChange === true && usesMode(selector)) {
    throw new AppError('broker_unavailable', 'nobody knows who is connected now, so `mode` selects nobody; try again');
  }
  const matches = (endpoint: Endpoint) =>
    selectorMatches(selector, endpointLabel(endpoint, held?.get(endpoint.agentId)?.mode));
  return { matches, held };
}

/** The endpoint, if the principal may know of it; otherwise it does not exist for them. Throws `not_found`. */
export async function findAgent(parts: SelectionParts, principal: Principal, id: string): Promise<Endpoint> {
  const endpoint = parts.directory.byId(principal.org, id);
  if (endpoint !== undefined) {
    const { matches } = await selectionOf(parts, principal, { selector: '' });
    if (matches(endpoint)) return endpoint;
  }
  throw new AppError('not_found', `there is no agent ${id}`);
}
