import type { Directory, Endpoint } from '@muster/directory';
import { metricsPartition } from '@muster/host-metrics';
import {
  TOP_VITALS,
  type Coverage,
  type Distribution,
  type EndpointHealth,
  type EndpointRow,
  type FleetMetrics,
  type FleetTop,
  type HealthList,
  type HealthStates,
  type LatestMetrics,
  type TelemetryReply,
  type TelemetryRequest,
} from '@muster/messages';
import { AppError } from '@muster/protocol';
import { encodeNumberSet, type HealthState } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { COUNTED_VITALS, countVital, emptyCounts, FLEET_BUCKETS } from '../fleet/fleet-histograms.js';
import { fleetLabelValue, type FleetLabel } from '../fleet/fleet-labels.js';
import type { EndpointTable } from '../samples/endpoint-table.js';
import { VITALS } from '../samples/vitals.js';
import { vitalsOf, type FleetScan } from './fleet-scan.js';
import { TopRows } from './top-rows.js';

type RequestOf<T extends TelemetryRequest['t']> = Extract<TelemetryRequest, { readonly t: T }>;

export interface TelemetryRequestsOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly directory: Pick<Directory, 'byId'>;
  readonly table: EndpointTable;
  readonly scan: FleetScan;
  /** Labels that the fleet is counted by. */
  readonly labels: readonly FleetLabel[];
  readonly health: { of(num: number): EndpointHealth | undefined };
  /** What this instance owns now. */
  readonly coverage: () => Coverage;
}

const MAX_LIMIT = 1_000;

/** What this instance knows of its endpoints. The replies say which partitions those are. */
export class TelemetryRequests {
  readonly #options: TelemetryRequestsOptions;

  constructor(options: TelemetryRequestsOptions) {
    this.#options = options;
  }

  /** @throws AppError `bad_request`. */
  async handle(request: TelemetryRequest): Promise<TelemetryReply> {
    switch (request.t) {
      case 'latest_metrics':
        return this.#latest(request);
      case 'fleet_metrics':
        return this.#fleet(request);
      case 'fleet_top':
        return this.#top(request);
      case 'health_states':
        return this.#healthStates(request);
      case 'health_list':
        return this.#healthList(request);
      default:
        throw new AppError('bad_request', 'the telemetry service does not know this request');
    }
  }

  #latest({ org, agentId }: RequestOf<'latest_metrics'>): LatestMetrics {
    const { clock, directory, table, health, coverage } = this.#options;
    const head = { t: 'latest_metrics', ...coverage(), partition: metricsPartition(agentId) } as const;
    const endpoint = directory.byId(org, agentId);
    if (endpoint === undefined) return head;
    const its = health.of(endpoint.num);
    const known = its === undefined ? head : { ...head, health: its };
    const slot = table.slotOf(endpoint.num);
    if (slot === undefined) return known;
    const delta = table.delta(slot);
    return {
      ...known,
      sample: {
        keyframe: table.keyframe(slot).slice(),
        ...(delta === undefined ? {} : { delta }),
        epoch: table.epochs[slot] as number,
        receivedMs: table.receivedMs[slot] as number,
        ageMs: clock.monotonic() - (table.takenMs[slot] as number),
        vitals: vitalsOf(table, slot),
      },
    };
  }

  async #fleet(request: RequestOf<'fleet_metrics'>): Promise<FleetMetrics> {
    const { table, scan, coverage } = this.#options;
    const groups = new Map<string, { endpoints: number; readonly counts: ReturnType<typeof emptyCounts> }>();
    const valueOf = this.#groupedBy(request.by);
    await scan.each(request, (slot, endpoint) => {
      const value = valueOf(endpoint);
      const group = groups.get(value) ?? { endpoints: 0, counts: emptyCounts() };
      groups.set(value, group);
      group.endpoints += 1;
      for (const vital of COUNTED_VITALS) countVital(group.counts, vital, table.vital(slot, VITALS.indexOf(vital)), 1);
    });
    const rows = [...groups].map(([value, { endpoints, counts }]) => ({
      ...{ value, endpoints },
      vitals: Object.fromEntries(
        COUNTED_VITALS.map((vital): [string, Distribution] => [
          vital,
          { bounds: FLEET_BUCKETS[vital], counts: [...counts[vital].buckets], sum: counts[vital].sum },
        ]),
      ),
    }));
    return { t: 'fleet_metrics', ...coverage(), groups: rows };
  }

  /** Only of closed sets: an endpoint must not make a group. So the groups of several instances can be added up. */
  #groupedBy(by: string | undefined): (endpoint: Endpoint) => string {
    const { scan, labels } = this.#options;
    if (by === undefined) return () => '';
    if (by === 'os' || by === 'health') return (endpoint) => scan.label(endpoint)(by) ?? 'none';
    const label = labels.find(({ name }) => name === by);
    if (label !== undefined) return (endpoint) => fleetLabelValue(label, endpoint);
    const known = ['os', 'health', ...labels.map(({ name }) => name)].join(', ');
    throw new AppError('bad_request', `the fleet is not counted by ${by}, but by ${known} (MUSTER_TELEMETRY_LABELS)`);
  }

  async #top(request: RequestOf<'fleet_top'>): Promise<FleetTop> {
    const { table, scan, coverage } = this.#options;
    if (!TOP_VITALS.includes(request.by)) throw new AppError('bad_request', 'endpoints cannot be sorted by this');
    const vital = VITALS.indexOf(request.by);
    const top = new TopRows<EndpointRow>(limited(request.limit));
    let endpoints = 0;
    await scan.each(request, (slot, endpoint) => {
      endpoints += 1;
      const value = table.vital(slot, vital);
      if (!Number.isNaN(value)) top.offer(value, endpoint.num, () => this.#row(slot, endpoint));
    });
    return { t: 'fleet_top', ...coverage(), endpoints, rows: top.rows() };
  }

  async #healthList(request: RequestOf<'health_list'>): Promise<HealthList> {
    const { scan, health, coverage } = this.#options;
    const counts: Record<HealthState, number> = { ok: 0, warning: 0, critical: 0 };
    const found: HealthList['rows'][number][] = [];
    await scan.eachKnown(request, ({ num, agentId }) => {
      const its = health.of(num);
      // Nothing is recorded of one that has always been well.
      counts[its?.state ?? 'ok'] += 1;
      if (its === undefined) return;
      if (request.states !== undefined && !request.states.includes(its.state)) return;
      if (request.after === undefined || num > request.after) found.push({ num, agentId, health: its });
    });
    found.sort((a, b) => a.num - b.num);
    const rows = found.slice(0, limited(request.limit));
    return { t: 'health_list', ...coverage(), counts, rows, isCut: found.length > rows.length };
  }

  async #healthStates({ org }: RequestOf<'health_states'>): Promise<HealthStates> {
    const { scan, health, coverage } = this.#options;
    const nums: Record<HealthState, number[]> = { ok: [], warning: [], critical: [] };
    await scan.eachKnown({ org, selector: '' }, ({ num }) => nums[health.of(num)?.state ?? 'ok'].push(num));
    const states = {
      ok: encodeNumberSet(nums.ok),
      warning: encodeNumberSet(nums.warning),
      critical: encodeNumberSet(nums.critical),
    };
    return { t: 'health_states', ...coverage(), states };
  }

  #row(slot: number, { num, agentId }: Endpoint): EndpointRow {
    const { clock, table, health } = this.#options;
    const ageMs = clock.monotonic() - (table.takenMs[slot] as number);
    const its = health.of(num);
    return { num, agentId, vitals: vitalsOf(table, slot), ageMs, ...(its === undefined ? {} : { health: its }) };
  }
}

function limited(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new AppError('bad_request', `limit must be a whole number from 1 to ${MAX_LIMIT}`);
}
