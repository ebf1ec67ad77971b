import type { Broker, Bus } from '@muster/bus';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import { SUBJECTS } from '@muster/messages';
import { newCoordinatorId, newQueryId, EMPTY_LEDGER, type GatewayId, type OrgId } from '@muster/protocol';
import { encodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import { createMetrics, NO_TRACER, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { createQueryMetrics } from '../metrics.js';
import { CoordinatorHeartbeats } from '../liveness/coordinator-heartbeats.js';
import { GatewayFailureDetector } from '../liveness/gateway-failure-detector.js';
import { HearingMonitor } from '../liveness/hearing-monitor.js';
import { HeldSessions } from '../liveness/held-sessions.js';
import { QueryCoordinator } from '../coordinator/query-coordinator.js';
import type { RunningQueryDeps } from '../coordinator/running-query.js';
import { QueryRecordStore } from '../results/query-record-store.js';
import { CoordinatorMonitor, readResults } from '@muster/service-base';
import { ResultWriter } from '../results/result-writer.js';
import { FakeGateway } from './fake-gateway.js';
import { MemoryRegistry } from '@muster/testkit';

export const ORG = 'acme' as OrgId;
/** The coordinator has heard the bus for so long when a test begins: long enough to be certain of what it did not hear. */
const HEARS_FOR_MS = 6_000;

/** One coordinator over a broker in memory, with a clock that the test advances. */
export class CoordinatorHarness {
  readonly broker = new MemoryBroker();
  readonly connection: MemoryConnection = this.broker.connect();
  readonly clock = new FakeClock();
  readonly coordinatorId = newCoordinatorId();
  readonly #frozen = new Set<string>();
  readonly registry = new MemoryRegistry({ clock: this.clock });
  offline = 0;
  /** Endpoints that are known to be held somewhere; `undefined` when nobody knows. */
  lost: readonly { readonly num: number; readonly at: string }[] | undefined = [];
  readonly records = new QueryRecordStore({ streams: this.connection.streams, logger: silentLogger });
  readonly hearing: HearingMonitor;
  readonly heartbeats: CoordinatorHeartbeats;
  readonly monitor: CoordinatorMonitor;
  readonly detector: GatewayFailureDetector;
  readonly coordinator: QueryCoordinator;

  constructor(limits: Partial<RunningQueryDeps['limits']> = {}) {
    const { clock, connection } = this;
    const { streams, bus } = connection;
    const common = { clock, logger: silentLogger };
    const metrics = createQueryMetrics(createMetrics('query'), { running: () => 0 });
    this.hearing = new HearingMonitor({ bus, clock });
    const { coordinatorId } = this;
    this.heartbeats = new CoordinatorHeartbeats({ bus, coordinatorId, clock, active: () => this.coordinator.all() });
    this.monitor = new CoordinatorMonitor({
      ...{ bus, clock },
      onHeard: (owner) => owner === coordinatorId && this.hearing.heard(),
    });
    this.detector = new GatewayFailureDetector({
      ...common,
      bus: this.#busWithFrozen(bus),
      ...{
        registry: this.registry,
        hearing: this.hearing,
        held: new HeldSessions({ ...common, bus, highestNum: () => Infinity }),
      },
      onReturned: (gateway) => this.coordinator.gatewayReturned(gateway),
      onDead: (gateway, sign) => this.coordinator.gatewayDied(gateway, sign),
    });
    this.coordinator = new QueryCoordinator({
      ...{ bus, coordinatorId: this.coordinatorId, metrics: metrics.coordinator, tracer: NO_TRACER },
      ...{ logger: common.logger, records: this.records, detector: this.detector },
      runningDeps: (_record, span) => ({
        ...{ ...common, span },
        ...{ bus, metrics: metrics.coordinator, records: this.records, detector: this.detector },
        openResults: (query) =>
          new ResultWriter({ ...query, ...common, streams, metrics: metrics.results, retryForMs: 5_000 }),
        countOffline: () => Promise.resolve(this.offline),
        findLost: ({ has, speaks }) => {
          const lost = this.lost?.filter(({ num, at }) => !has(num) && !speaks(at)).map(({ num }) => num);
          return Promise.resolve({ nums: lost ?? [], isComplete: lost !== undefined });
        },
        reduce: () => Promise.resolve({ t: 'reduced', columns: ['n'], rows: [[1]], truncated: false }),
        afterArrived: (then) => this.coordinator.afterArrived(then),
        limits: {
          ...{ maxGroups: 1_000, maxGroupBytes: 1_000_000, maxQueuedBytes: 1_000_000, maxResultBytes: 10_000_000 },
          eventBytes: 64 * 1024,
          ...limits,
        },
      }),
    });
  }

  async open(): Promise<this> {
    await this.connection.streams.ensure(Object.values(STREAMS));
    this.detector.start();
    this.coordinator.start();
    this.monitor.start();
    this.heartbeats.start();
    await this.pass(HEARS_FOR_MS);
    return this;
  }

  async close(): Promise<void> {
    await this.coordinator.stop();
    this.detector.stop();
    this.heartbeats.stop();
    this.monitor.stop();
    this.hearing.stop();
    await this.connection.stop();
  }

  /** A gateway with a lease and these endpoints. */
  gateway(id: string, nums: readonly number[], on: Broker = this.connection): FakeGateway {
    this.lease(id);
    return new FakeGateway(on.bus, id, nums);
  }

  /** A lease that outlasts the test, and a first heartbeat. */
  lease(gatewayId: string): void {
    this.detector.heard(gatewayId as GatewayId);
    const info = { sessions: 0, draining: false, startedAtMs: 0 };
    void this.registry.lease.renew({ gatewayId, ttlMs: Number.POSITIVE_INFINITY, info });
  }

  /** Its process stands still: requests to it time out. */
  freeze(gateway: FakeGateway): void {
    gateway.frozen = true;
    this.#frozen.add(gateway.id);
  }

  record(change: Partial<QueryRecord> = {}): QueryRecord {
    const nowMs = this.clock.now();
    return {
      ...{ id: newQueryId(nowMs), org: ORG, operator: 'op', operatorName: 'Op', sql: 'SELECT name FROM deb_packages' },
      ...{ selector: '', scope: '', mode: 'group', columns: ['name'], timeoutMs: 10_000, owner: this.coordinatorId },
      ...{
        state: 'running',
        createdAtMs: nowMs,
        deadlineMs: nowMs + 10_000,
        ledger: EMPTY_LEDGER,
        offline: 0,
        rows: 0,
      },
      ...change,
    };
  }

  /** Starts a query and delivers it to all gateways. */
  async launch(change: Partial<QueryRecord> = {}): Promise<QueryRecord> {
    const record = this.record(change);
    const launched = await this.coordinator.launch(record);
    if (launched.kind !== 'started') throw new Error('the query did not start');
    await this.settle();
    return record;
  }

  /** Completes everything that is under way, without advancing the clock. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i += 1) await this.clock.advanceAsync(0);
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advanceAsync(ms);
    await this.settle();
  }

  async events(record: QueryRecord): Promise<ResultEvent[]> {
    const events: ResultEvent[] = [];
    for await (const { event } of readResults(this.connection.streams, record)) events.push(event);
    return events;
  }

  /** The record of the end event; throws while the query runs. */
  async ended(record: QueryRecord): Promise<QueryRecord> {
    const last = (await this.events(record)).at(-1);
    if (last?.t !== 'ended') throw new Error(`the query has not ended; its last event is ${last?.t}`);
    return last.record;
  }

  /** Another coordinator takes the query over and writes its end. */
  async takeOver(record: QueryRecord): Promise<void> {
    const ended = encodeQueryRecord({ t: 'ended', record: { ...record, state: 'interrupted' } });
    await this.connection.streams.append(STREAM_SUBJECTS.result(record.org, record.id), ended);
  }

  #busWithFrozen(bus: Bus): Bus {
    return new Proxy(bus, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== 'request') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return (...args: Parameters<Bus['request']>) =>
          [...this.#frozen].some((id) => SUBJECTS.gateway(id as GatewayId) === args[0])
            ? Promise.resolve({ kind: 'timeout' })
            : target.request(...args);
      },
    });
  }
}
