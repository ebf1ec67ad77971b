import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StreamError, type AppendOptions, type AppendResult, type StreamStore } from '@muster/bus';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import type { OrgId } from '@muster/protocol';
import {
  decodeRecord,
  encodeRecord,
  STREAM_SUBJECTS,
  STREAMS,
  verifyChain,
  type AuditRecord,
  type ChainLink,
} from '@muster/records';
import { silentLogger, systemClock, type LogFields } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { AuditTrail, type AuditTrailOptions, type NewAuditRecord } from './audit-trail.js';

const ORG = 'acme' as OrgId;
const OTHER = 'globex' as OrgId;

const did = (subject: string, org = ORG): NewAuditRecord => ({
  org,
  actor: 'a',
  actorName: 'Ann',
  action: 'command.submit',
  outcome: 'allowed',
  from: '192.0.2.1',
  subject,
});

function counter() {
  const count = { value: 0, inc: () => void (count.value += 1) };
  return count;
}

async function links(streams: StreamStore, org = ORG): Promise<ChainLink[]> {
  const found: ChainLink[] = [];
  for await (const { seq, data } of streams.read(STREAMS.audit.name, { subject: STREAM_SUBJECTS.audit(org) })) {
    found.push({ seq, record: decodeRecord<AuditRecord>(data) });
  }
  return found;
}
const subjects = async (streams: StreamStore, org = ORG) =>
  (await links(streams, org)).map(({ record }) => record.subject);

describe('an audit trail', () => {
  let connection: MemoryConnection;
  let lost: ReturnType<typeof counter>;
  let suppressed: ReturnType<typeof counter>;
  let logged: LogFields[];
  beforeEach(async () => {
    connection = new MemoryBroker().connect();
    await connection.streams.ensure(Object.values(STREAMS));
    [lost, suppressed, logged] = [counter(), counter(), []];
  });
  afterEach(() => connection.stop());

  const open = (more: Partial<AuditTrailOptions> = {}): AuditTrail =>
    new AuditTrail({
      streams: connection.streams,
      clock: systemClock,
      logger: { ...silentLogger, error: (_message: string, fields?: LogFields) => void logged.push(fields ?? {}) },
      metrics: { auditLost: lost, auditSuppressed: suppressed },
      ...more,
    });
  /** The broker, with `change` applied to the result of every append. */
  const withAnswers = (change: (result: AppendResult, count: number) => AppendResult): StreamStore => {
    let count = 0;
    return {
      ensure: (streams) => connection.streams.ensure(streams),
      last: (stream, subject) => connection.streams.last(stream, subject),
      newestSeq: (stream) => connection.streams.newestSeq(stream),
      read: (stream, options) => connection.streams.read(stream, options),
      purge: (...what) => connection.streams.purge(...what),
      catchingUp: connection.streams.catchingUp,
      storage: () => connection.streams.storage(),
      append: async (subject: string, data: Uint8Array, options?: AppendOptions) => {
        count += 1;
        return change(await connection.streams.append(subject, data, options), count);
      },
    };
  };
  const answerLost: AppendResult = { kind: 'unavailable', maybeStored: true, cause: new Error('no answer') };

  it('stores records in order, each org in a chain of its own', async () => {
    const trail = open();
    for (let i = 0; i < 500; i += 1) trail.record(did(`s${i}`, i % 3 === 0 ? OTHER : ORG));
    await trail.stop();
    const expected = Array.from({ length: 500 }, (_, i) => i);
    expect(await subjects(connection.streams)).toEqual(expected.filter((i) => i % 3 !== 0).map((i) => `s${i}`));
    expect(await subjects(connection.streams, OTHER)).toEqual(expected.filter((i) => i % 3 === 0).map((i) => `s${i}`));
    for (const org of [ORG, OTHER]) {
      expect(verifyChain(await links(connection.streams, org))).toMatchObject({ faults: [], unchained: 0, cut: false });
    }
    expect(lost.value).toBe(0);
  });

  it('continues after records of other writers, and after records from before the chain', async () => {
    const old = { ...did('old'), atMs: 1 };
    await connection.streams.append(STREAM_SUBJECTS.audit(ORG), encodeRecord(old));
    const [one, two] = [open(), open()];
    for (let i = 0; i < 50; i += 1) {
      one.record(did(`one${i}`));
      two.record(did(`two${i}`));
      if (i % 7 === 0) await one.flush();
    }
    await Promise.all([one.stop(), two.stop()]);
    const all = await links(connection.streams);
    expect(verifyChain(all)).toMatchObject({ records: 101, unchained: 1, cut: false, faults: [] });
    expect(new Set(all.map(({ record }) => record.subject)).size).toBe(101);
  });

  it('stores a record once when its acknowledgement was lost, whether or not another one follows it', async () => {
    for (const somebody of [false, true]) {
      await connection.streams.purge(STREAMS.audit.name, STREAM_SUBJECTS.audit(ORG));
      const other = open();
      const trail = open({
        streams: withAnswers((result, count) => {
          if (count !== 2) return result;
          if (somebody) other.record(did('other'));
          return answerLost;
        }),
      });
      for (const subject of ['a', 'b', 'c']) trail.record(did(subject));
      await trail.stop();
      await other.stop();
      const all = await links(connection.streams);
      expect(all.map(({ record }) => record.subject ?? '').toSorted((a, b) => (a < b ? -1 : 1))).toEqual(
        somebody ? ['a', 'b', 'c', 'other'] : ['a', 'b', 'c'],
      );
      expect(verifyChain(all).faults).toEqual([]);
    }
    expect(lost.value).toBe(0);
  });

  it('uses the reserve of the storage for what was done, and never for what was refused or failed', async () => {
    const full = new StreamError('storage_full', 'no room');
    const streams: StreamStore = {
      ...withAnswers((result) => result),
      append: (subject, data, options) =>
        options?.essential === true
          ? connection.streams.append(subject, data, options)
          : Promise.resolve({ kind: 'unavailable', maybeStored: false, cause: full }),
    };
    // Time stands still: what is refused is not tried again, and nothing waits behind it.
    const trail = open({ streams, clock: new FakeClock() });
    const refused = Array.from({ length: 20 }, (_, i): NewAuditRecord => ({ ...did(`no${i}`), outcome: 'refused' }));
    for (const record of refused) trail.record(record);
    trail.record(did('done'));
    trail.recordRateLimited({ ...did('stranger'), outcome: 'refused' });
    trail.record({ ...did('broken'), outcome: 'failed' });
    trail.record(did('watched'), { essential: false });
    trail.record(did('ended'));
    await trail.flush();
    expect(await subjects(connection.streams)).toEqual(['done', 'ended']);
    // Each of the others is counted, and whole in the log.
    expect(lost.value).toBe(23);
    expect(logged).toHaveLength(23);
    expect(logged.at(-1)).toMatchObject({ record: { subject: 'watched' }, err: full });
    await trail.stop();
  });

  it('retries a record that may have been stored and was not', async () => {
    let isFirst = true;
    const streams = withAnswers((result) => result);
    const append = streams.append.bind(streams);
    const trail = open({
      streams: {
        ...streams,
        append: async (subject, data, options) => {
          if (!isFirst) return append(subject, data, options);
          isFirst = false;
          await connection.streams.append(subject, encodeRecord({ ...did('faster'), atMs: 1, prev: '' }));
          return answerLost;
        },
      },
    });
    trail.record(did('mine'));
    await trail.stop();
    expect(await subjects(connection.streams)).toEqual(['faster', 'mine']);
    expect(verifyChain(await links(connection.streams)).faults).toEqual([]);
  });

  it('retries during an outage', async () => {
    const trail = open();
    trail.record(did('before'));
    await trail.flush();
    connection.bus.setConnected(false);
    trail.record(did('during'));
    await new Promise((resolve) => setImmediate(resolve));
    connection.bus.setConnected(true);
    await trail.stop();
    expect(await subjects(connection.streams)).toEqual(['before', 'during']);
    expect(lost.value).toBe(0);
  });

  it('logs whole and counts what it gives up: after the retry time, over the pending limit, and at the stop', async () => {
    connection.bus.setConnected(false);
    const clock = new FakeClock();
    const trail = open({ clock, retryForMs: 1_000, maxPending: 2 });
    for (const subject of ['a', 'b', 'c']) trail.record({ ...did(subject), details: { why: subject } });
    expect(logged).toMatchObject([{ record: { subject: 'c', details: { why: 'c' }, org: ORG } }]);
    const aborted = new AbortController();
    const stopping = trail.stop(aborted.signal);
    aborted.abort();
    await stopping;
    expect(logged.map(({ record }) => (record as AuditRecord).subject)).toEqual(['c', 'a', 'b']);
    expect(lost.value).toBe(3);
    trail.record(did('late'));
    expect(lost.value).toBe(4);
    const short = open({ retryForMs: 0 });
    short.record(did('impatient'));
    await short.flush();
    expect(lost.value).toBe(5);
  });

  it('drops a record that is too large, without delaying others', async () => {
    const trail = open();
    trail.record({ ...did('large'), details: { text: 'x'.repeat(300_000) } });
    trail.record(did('small'));
    await trail.stop();
    expect(await subjects(connection.streams)).toEqual(['small']);
    expect(lost.value).toBe(1);
  });

  it('keeps the refusals of others when one actor causes any number', async () => {
    const clock = new FakeClock();
    const actorLimit = { capacity: 2, refillPerSecond: 1 };
    const trail = open({ clock, rateLimit: { capacity: 5, refillPerSecond: 0.001 }, actorLimit });
    for (let i = 0; i < 100; i += 1) trail.recordRateLimited({ ...did(`flood${i}`), actor: 'mallory' });
    for (let i = 0; i < 2; i += 1) trail.recordRateLimited({ ...did(`ann${i}`), actor: 'ann' });
    clock.advance(1_000);
    trail.recordRateLimited({ ...did('later'), actor: 'mallory' });
    await trail.flush();
    expect(await subjects(connection.streams)).toEqual(['flood0', 'flood1', 'ann0', 'ann1', 'later']);
    expect(suppressed.value).toBe(98);
  });

  it('limits the rate of refusals, and the next record has the number of those left out', async () => {
    const clock = new FakeClock();
    const trail = open({ clock, rateLimit: { capacity: 2, refillPerSecond: 1 } });
    for (let i = 0; i < 7; i += 1) trail.recordRateLimited(did(`s${i}`));
    clock.advance(1_000);
    trail.recordRateLimited(did('next'));
    await trail.flush();
    expect(suppressed.value).toBe(5);
    expect(await subjects(connection.streams)).toEqual(['s0', 's1', 'next']);
    expect((await links(connection.streams)).at(-1)!.record.details).toEqual({ suppressed: 5 });
  });
});
