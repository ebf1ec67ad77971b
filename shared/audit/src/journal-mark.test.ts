import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { StreamStore } from '@muster/bus';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import type { OrgId } from '@muster/protocol';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, verifyChain, type AuditRecord, type ChainLink } from '@muster/records';
import { silentLogger, systemClock } from '@muster/runtime';
import { AuditTrail } from './audit-trail.js';
import type { EntryRecord } from './journal-records.js';

const ORG = 'acme' as OrgId;
const BASE = { org: ORG, actor: 'a', actorName: 'Ann', outcome: 'allowed', from: '' } as const;
const ofEntry = (seq: number, padding = ''): EntryRecord => ({
  ...BASE,
  ...{ action: 'command.outcome', atMs: seq, details: { seq, journal: `hash ${seq}`, padding } },
});

let connection: MemoryConnection;
beforeEach(async () => {
  connection = new MemoryBroker().connect();
  await connection.streams.ensure(Object.values(STREAMS));
});
afterEach(() => connection.stop());

const trail = (streams: StreamStore = connection.streams): AuditTrail => {
  const nobody = { inc: () => undefined };
  const metrics = { auditLost: nobody, auditSuppressed: nobody };
  return new AuditTrail({ streams, clock: systemClock, logger: silentLogger, metrics, retryForMs: 200 });
};
const other = (to: AuditTrail, count: number): void => {
  for (let i = 0; i < count; i += 1) to.record({ ...BASE, action: 'query.start' });
};
async function chain(): Promise<{ faults: unknown; seqs: unknown[] }> {
  const links: ChainLink[] = [];
  const read = connection.streams.read(STREAMS.audit.name, { subject: STREAM_SUBJECTS.audit(ORG) });
  for await (const { seq, data } of read) links.push({ seq, record: decodeRecord<AuditRecord>(data) });
  const seqs = links.flatMap(({ record }) => record.details?.['seq'] ?? []);
  return { faults: verifyChain(links).faults, seqs };
}
const rising = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

describe('the records of journal entries', () => {
  test('are in the chain once and in order, although three processes append all of them, beside other records', async () => {
    const trails = [trail(), trail(), trail()];
    await Promise.all(
      trails.map(async (each) => {
        for (const seq of rising(60)) {
          other(each, 1);
          expect(await each.recordEntry(ofEntry(seq))).toBeUndefined();
        }
      }),
    );
    await Promise.all(trails.map((each) => each.flush()));
    expect(await chain()).toEqual({ faults: [], seqs: rising(60) });
  });

  test('are not appended again by a process that was away for any time', async () => {
    const [old, next] = [trail(), trail()];
    await old.recordEntry(ofEntry(1));
    for (const seq of [2, 3]) await next.recordEntry(ofEntry(seq));
    for (const seq of [2, 3, 4]) await old.recordEntry(ofEntry(seq));
    expect((await chain()).seqs).toEqual([1, 2, 3, 4]);
  });

  test('tell how far the chain is, behind any number of other records', async () => {
    const first = trail();
    expect(await first.mark(ORG).read()).toBeUndefined();
    for (const seq of [4, 7]) await first.recordEntry(ofEntry(seq));
    other(first, 3_000);
    await first.flush();
    expect(await trail().mark(ORG).read()).toEqual({ seq: 7, hash: 'hash 7' });
    expect(await first.mark(ORG).read()).toEqual({ seq: 7, hash: 'hash 7' });
  });

  test('of a journal that begins anew are appended although their sequences are lower', async () => {
    const first = trail();
    await first.recordEntry(ofEntry(90));
    const mark = first.mark(ORG);
    await mark.read();
    mark.forget();
    for (const seq of [1, 2]) await first.recordEntry(ofEntry(seq));
    const next = trail();
    await next.recordEntry(ofEntry(2));
    await next.recordEntry(ofEntry(3));
    expect((await chain()).seqs).toEqual([90, 1, 2, 3]);
  });

  test('that cannot be stored are told, and not lost', async () => {
    connection.bus.setConnected(false);
    const first = trail();
    expect(await first.recordEntry(ofEntry(1))).toBeInstanceOf(Error);
    connection.bus.setConnected(true);
    expect(await first.recordEntry(ofEntry(1))).toBeUndefined();
    expect((await chain()).seqs).toEqual([1]);
  });

  test('that are too large name their entry', async () => {
    const first = trail();
    await first.recordEntry(ofEntry(1, 'x'.repeat(300_000)));
    expect((await chain()).seqs).toEqual([1]);
  });
});
