import type { Bus, BusSubscription } from '@muster/bus';
import { METRICS_PARTITIONS, metricsPartition } from '@muster/host-metrics';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type KeyframesSent,
  type KeyframesWanted,
  type SampleBatch,
  type SampleItem,
  type SessionsEnded,
} from '@muster/messages';
import type { AgentId } from '@muster/protocol';

/** What a telemetry service that owns all partitions hears of gateways. */
export class TestTelemetry {
  readonly batches: SampleBatch[] = [];
  /** Partition, ask, and how many batches had come before. */
  readonly answers: (readonly [partition: number, ask: string, batches: number])[] = [];
  readonly ended: SessionsEnded['items'][number][] = [];
  readonly #bus: Bus;
  readonly #subscriptions: BusSubscription[] = [];
  #wake: () => void = () => undefined;

  constructor(bus: Bus) {
    this.#bus = bus;
    for (let partition = 0; partition < METRICS_PARTITIONS; partition += 1) {
      this.#subscriptions.push(bus.subscribe(SUBJECTS.samples(partition), ({ data }) => this.#heard(partition, data)));
    }
  }

  /** All frames of an endpoint, in order. */
  itemsOf(agentId: AgentId): SampleItem[] {
    return this.batches.flatMap(({ items }) => items).filter(([, id]) => id === agentId);
  }

  /** Their bodies as text. */
  textsOf(agentId: AgentId): string[] {
    return this.itemsOf(agentId).map(([, , , , , , body]) => Buffer.from(body).toString());
  }

  want(wanted: Omit<KeyframesWanted, 't'>): void {
    this.#bus.publish(SUBJECTS.allGatewayMetrics, encodeBusMessage({ t: 'keyframes_wanted', ...wanted }));
  }

  /** Resolves when the condition holds. It is checked at every message. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #heard(partition: number, data: Uint8Array): void {
    const message = decodeBusMessage<SampleBatch | SessionsEnded | KeyframesSent>(
      data,
      ...(['samples', 'samples_ended', 'keyframes_sent'] as const),
    );
    if (message === undefined) throw new Error('a message to telemetry services is not understood');
    if (message.t === 'keyframes_sent') {
      for (const ask of message.asks) this.answers.push([partition, ask, this.batches.length]);
      return this.#wake();
    }
    const wrong = message.items.filter(([, agentId]) => metricsPartition(agentId) !== partition);
    if (wrong.length > 0) throw new Error(`${wrong.length} items are of another partition`);
    if (message.t === 'samples') this.batches.push(message);
    else this.ended.push(...message.items);
    this.#wake();
  }
}
