import type { Broker } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayUpdate,
  type CoordinatorHeartbeat,
  type PartialUpdate,
  type QueryStart,
  type TargetedUpdate,
} from '@muster/messages';
import { DEFAULT_BUDGET, newCoordinatorId, newQueryId, type OrgId } from '@muster/protocol';
import { decodeNumberSet, readAnswerBlock } from '@muster/records';
import { ORG } from './running-gateway.js';

/** An owner of queries as a test drives it: it starts queries and keeps every report. */
export class TestCoordinator {
  readonly id = newCoordinatorId();
  readonly reports: GatewayUpdate[] = [];
  readonly #broker: Broker;
  #wake: () => void = () => undefined;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  async start(): Promise<this> {
    this.#broker.bus.subscribe(SUBJECTS.coordinatorInbox(this.id), ({ data }) => {
      const report = decodeBusMessage<GatewayUpdate>(data, 'targeted', 'partial');
      if (report !== undefined) this.reports.push(report);
      this.#wake();
    });
    await this.#broker.bus.flush();
    return this;
  }

  query(change: Partial<QueryStart> = {}): QueryStart {
    const nowMs = Date.now();
    return {
      t: 'query_start',
      id: newQueryId(nowMs),
      org: ORG as OrgId,
      owner: this.id,
      sql: 'SELECT name FROM t',
      columns: ['name'],
      selector: '',
      mode: 'group',
      nowMs,
      deadlineMs: nowMs + 20_000,
      budget: DEFAULT_BUDGET,
      ...change,
    };
  }

  ask(start: QueryStart): QueryStart {
    this.#broker.bus.publish(SUBJECTS.gateways, encodeBusMessage(start));
    return start;
  }

  beat(...queries: QueryStart[]): void {
    const beat: CoordinatorHeartbeat = { t: 'owner_beat', owner: this.id, queries, operators: [], stopping: false };
    this.#broker.bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(beat));
  }

  partials(query: QueryStart): PartialUpdate[] {
    return this.reports.filter(
      (report): report is PartialUpdate => report.t === 'partial' && report.query === query.id,
    );
  }

  targeted(query: QueryStart): { gateway: string; joined: boolean; nums: number[] }[] {
    return this.reports
      .filter((report): report is TargetedUpdate => report.t === 'targeted' && report.query === query.id)
      .flatMap(({ gateway, joined, targets, moved }) => [
        { gateway, joined, nums: decodeNumberSet(targets) },
        ...(moved === undefined ? [] : [{ gateway, joined: true, nums: decodeNumberSet(moved) }]),
      ]);
  }

  /** Outcomes reported so far, by agent number. */
  outcomes(query: QueryStart): Record<number, string> {
    const outcomes: Record<number, string> = {};
    for (const { answered, empty, failures, answers } of this.partials(query)) {
      for (const num of decodeNumberSet(answered)) outcomes[num] = 'answered';
      for (const num of decodeNumberSet(empty)) outcomes[num] = 'empty';
      for (const { num } of readAnswerBlock(answers)) outcomes[num] = 'answered';
      for (const [num, outcome] of failures) outcomes[num] = outcome;
    }
    return outcomes;
  }

  /** Resolves when the condition holds; it is looked at after every report. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
