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
import { eventually } from '@muster/runtime/testing';
import { ORG } from './gateway-harness.js';

/** A coordinator of queries that a test drives: it starts queries and keeps every update. */
export class TestCoordinator {
  readonly id = newCoordinatorId();
  readonly updates: GatewayUpdate[] = [];
  readonly #broker: Broker;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  async start(): Promise<this> {
    this.#broker.bus.subscribe(SUBJECTS.coordinatorInbox(this.id), ({ data }) => {
      const update = decodeBusMessage<GatewayUpdate>(data, 'targeted', 'partial');
      if (update !== undefined) this.updates.push(update);
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

  heartbeat(...queries: QueryStart[]): void {
    const heartbeat: CoordinatorHeartbeat = {
      t: 'owner_beat',
      owner: this.id,
      queries,
      operators: [],
      stopping: false,
    };
    this.#broker.bus.publish(SUBJECTS.coordinatorHeartbeats, encodeBusMessage(heartbeat));
  }

  partials(query: QueryStart): PartialUpdate[] {
    return this.updates.filter(
      (update): update is PartialUpdate => update.t === 'partial' && update.query === query.id,
    );
  }

  targeted(query: QueryStart): { gateway: string; joined: boolean; nums: number[] }[] {
    return this.updates
      .filter((update): update is TargetedUpdate => update.t === 'targeted' && update.query === query.id)
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

  /** Resolves when the condition holds. */
  async until(holds: () => boolean): Promise<void> {
    await eventually(holds);
  }
}
