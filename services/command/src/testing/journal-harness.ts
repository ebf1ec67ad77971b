import type { StreamStore } from '@muster/bus';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import type { CommandId, OrgId } from '@muster/protocol';
import { encodeNumberSet, STREAMS, type JournalEntry } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { journalMetrics } from '../journal/journal-metrics.js';
import { JournalProjection } from '../journal/journal-projection.js';
import { JournalWriter } from '../journal/journal-writer.js';

export const ORG = 'acme' as OrgId;

/** The target of a {@link JournalHarness.submitted} command succeeds, which ends the command. */
export const succeeded: JournalEntry = {
  ...{ t: 'states', atMs: 2 },
  changes: [{ state: 'succeeded', targets: encodeNumberSet([1]), code: '', message: '' }],
};

/** A journal in memory, its writer, and a projection that keeps two ended commands and has not started. */
export class JournalHarness {
  readonly broker = new MemoryBroker();
  readonly clock = new FakeClock();
  readonly metrics = journalMetrics(createMetrics('command'));
  readonly connection: MemoryConnection;
  readonly projection: JournalProjection;
  readonly writer: JournalWriter;

  private constructor() {
    this.connection = this.broker.connect();
    this.projection = this.projectionOf(this.streams);
    this.writer = this.writerTo(this.streams, 1_000);
  }

  static async open(): Promise<JournalHarness> {
    const harness = new JournalHarness();
    await harness.streams.ensure(Object.values(STREAMS));
    return harness;
  }

  get streams(): MemoryConnection['streams'] {
    return this.connection.streams;
  }

  projectionOf(streams: StreamStore): JournalProjection {
    const { clock, metrics } = this;
    return new JournalProjection({ streams, clock, logger: silentLogger, metrics, keepEnded: 2 });
  }

  writerTo(streams: StreamStore, patienceMs: number): JournalWriter {
    return new JournalWriter({ streams, clock: this.clock, metrics: this.metrics, maxEntryBytes: 10_000, patienceMs });
  }

  /** A command to one endpoint, which is sent at once. */
  submitted(id: CommandId, change: object = {}): JournalEntry {
    const nowMs = this.clock.now();
    return {
      ...{ t: 'submitted', atMs: 1, signature: { jws: 'j', keys: 'k' }, released: 1, sent: encodeNumberSet([1]) },
      record: {
        ...{ id, org: ORG, action: 'dns.flush', params: {}, dryRun: false, target: '' },
        ...{ targets: { sets: [encodeNumberSet([7])] }, operator: { id: 'o', name: 'o', role: 'admin' } },
        ...{ submittedAtMs: nowMs, expiresAtMs: nowMs + 1_000, timeoutMs: 1, ...change },
      },
    };
  }

  /** Returns the entry's sequence. */
  async write(id: CommandId, entry: JournalEntry): Promise<number> {
    const result = await this.writer.append({ org: ORG, id }, entry);
    if (result.kind !== 'appended') throw new Error(result.kind);
    return result.seq;
  }

  /** Writes an entry and waits until the projection has folded it. */
  async append(id: CommandId, entry: JournalEntry): Promise<number> {
    const seq = await this.write(id, entry);
    await this.projection.folded(seq);
    return seq;
  }

  async stop(): Promise<void> {
    await this.projection.stop();
    await this.connection.stop();
  }
}
