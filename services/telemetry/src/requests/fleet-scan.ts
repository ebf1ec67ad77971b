import { endpointLabel, type Directory, type Endpoint } from '@muster/directory';
import type { EndpointVitals, FleetScope } from '@muster/messages';
import { AppError, joinSelectors, parseSelector, selectorMatches, type AgentId, type Selector } from '@muster/protocol';
import type { EndpointTable } from '../samples/endpoint-table.js';
import { VITALS } from '../samples/vitals.js';

/** Endpoints between two turns of the event loop. */
const CHUNK = 1_000;

export interface FleetScanOptions {
  readonly directory: Pick<Directory, 'byNum'>;
  readonly table: EndpointTable;
  /** What the built-in label `health` of an endpoint is. */
  readonly healthOf: (num: number) => string | undefined;
  /** Endpoints that fell silent: they are in no slot any more. */
  readonly silent: () => Iterable<number>;
  /** Whether this instance owns the partition of an endpoint. */
  readonly owns: (agentId: AgentId) => boolean;
}

/** Walks over the endpoints of a scope, in turns, so that samples are handled meanwhile. */
export class FleetScan {
  readonly #options: FleetScanOptions;

  constructor(options: FleetScanOptions) {
    this.#options = options;
  }

  /** @throws AppError `bad_request` for a selector that cannot be read. */
  async each(scope: FleetScope, visit: (slot: number, endpoint: Endpoint) => void): Promise<void> {
    const { directory, table } = this.#options;
    const selector = readSelector(scope);
    for (let slot = 0; slot < table.end; slot += 1) {
      if (slot % CHUNK === CHUNK - 1) await turn();
      const num = table.nums[slot] as number;
      if (num === 0) continue;
      const endpoint = directory.byNum(num);
      if (endpoint?.org === scope.org && selectorMatches(selector, this.label(endpoint))) visit(slot, endpoint);
    }
  }

  /** Endpoints whose health is known: those that send samples, and those that fell silent. */
  async eachKnown(scope: FleetScope, visit: (endpoint: Endpoint) => void): Promise<void> {
    const { directory, table, silent, owns } = this.#options;
    const selector = readSelector(scope);
    await this.each(scope, (_slot, endpoint) => visit(endpoint));
    for (const num of silent()) {
      const endpoint = directory.byNum(num);
      if (endpoint?.org !== scope.org || endpoint.revoked !== undefined || table.slotOf(num) !== undefined) continue;
      if (owns(endpoint.agentId) && selectorMatches(selector, this.label(endpoint))) visit(endpoint);
    }
  }

  label(endpoint: Endpoint): (key: string) => string | undefined {
    const label = endpointLabel(endpoint);
    return (key) => (key === 'health' ? this.#options.healthOf(endpoint.num) : label(key));
  }
}

export function vitalsOf(table: EndpointTable, slot: number): EndpointVitals {
  const vitals: Record<string, number> = {};
  for (const [i, name] of VITALS.entries()) {
    const value = table.vital(slot, i);
    if (!Number.isNaN(value)) vitals[name] = value;
  }
  return vitals;
}

function readSelector({ selector, bound }: FleetScope): Selector {
  const parsed = parseSelector(joinSelectors(selector, bound));
  if (parsed.ok) return parsed.selector;
  throw new AppError('bad_request', `the selector cannot be read: ${parsed.message}`);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
