import { endpointLabel, type Directory } from '@muster/directory';
import { parseSelector, selectorMatches } from '@muster/protocol';
import { visitInTurns } from '@muster/runtime';
import type { Principal } from '../http/principal.js';

/** A scan of at most so many enrolled endpoints keeps every outcome of every endpoint, unless somebody says otherwise. */
const MAX_ENDPOINTS = 2_000;
/** They change, so they bound nothing here. */
const CHANGING: ReadonlySet<string> = new Set(['mode', 'health']);

/** Whether a scan keeps who has which outcome, where the caller does not say it. */
export class ScanDetails {
  readonly #directory: Pick<Directory, 'endpoints'>;

  constructor(directory: Pick<Directory, 'endpoints'>) {
    this.#directory = directory;
  }

  async of({ org, bound }: Pick<Principal, 'org' | 'bound'>, selector: string): Promise<'checks' | 'endpoints'> {
    const parsed = parseSelector(selector);
    const scope = [...(parsed.ok ? parsed.selector : []), ...bound].filter(({ key }) => !CHANGING.has(key));
    let found = 0;
    await visitInTurns(this.#directory.endpoints(org), (endpoint) => {
      if (endpoint.revoked === undefined && selectorMatches(scope, endpointLabel(endpoint))) found += 1;
    });
    return found > MAX_ENDPOINTS ? 'checks' : 'endpoints';
  }
}
