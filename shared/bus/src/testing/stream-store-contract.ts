import { describe, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { text, untext, type BrokerFixture } from './broker-fixture.js';
import { seqOf, useContractStream, type ContractStream } from './contract-stream.js';
import type { Entry, StreamStore } from '../stream-store.js';

/** Registers the tests of everything a `StreamStore` promises. Call it in a test file of each implementation. */
export function streamStoreContract(title: string, makeFixture: () => Promise<BrokerFixture>): void {
  describe(`${title} keeps the log contract:`, () => {
    let kept: ContractStream;
    let fixture: BrokerFixture;
    let streams: StreamStore;
    let stream: string;
    let root: string;
    useContractStream('KEPT', makeFixture, (made) => {
      kept = made;
      ({ fixture, streams, stream, root } = made);
    });
    const define: ContractStream['define'] = (more) => kept.define(more);
    const append: ContractStream['append'] = (tail, value) => kept.append(tail, value);
    const readAll: ContractStream['readAll'] = (options) => kept.readAll(options);
    const values = (entries: readonly Entry[]) => entries.map((entry) => untext(entry.data));

    it('what was appended is read back in order, with sequence, subject, time and what is still to come', async () => {
      const before = Date.now() - 1_000;
      const seqs = [await append('a', '1'), await append('b', '2'), await append('a', '3')];
      const entries = await readAll();
      expect(values(entries)).toEqual(['1', '2', '3']);
      expect(entries.map((entry) => entry.seq)).toEqual(seqs);
      expect(entries.map((entry) => entry.subject)).toEqual([`${root}.a`, `${root}.b`, `${root}.a`]);
      expect(entries.map((entry) => entry.pending)).toEqual([2, 1, 0]);
      for (const entry of entries) expect(Math.abs(entry.timestampMs - before)).toBeLessThan(60_000);
    });

    it('overlapping appends keep their order', async () => {
      const appends = Array.from({ length: 500 }, (_, index) => streams.append(`${root}.a`, text(String(index))));
      const seqs = (await Promise.all(appends)).map(seqOf);
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
      expect(values(await readAll({ batch: 64 }))).toEqual(seqs.map((_, index) => String(index)));
    });

    it('an append with a wrong expectation stores nothing', async () => {
      const subject = `${root}.a`;
      const first = await streams.append(subject, text('1'), { expectLastSubjectSeq: 0 });
      expect(first.kind).toBe('appended');
      await append('other', 'x');
      expect(await streams.append(subject, text('2'), { expectLastSubjectSeq: 0 })).toEqual({ kind: 'conflict' });
      const last = await streams.last(stream, subject);
      const second = await streams.append(subject, text('3'), { expectLastSubjectSeq: last?.seq ?? -1 });
      expect(second.kind).toBe('appended');
      expect(values(await readAll({ subject }))).toEqual(['1', '3']);
    });

    it('of writers that race on one expectation, one wins', async () => {
      const race = Array.from({ length: 20 }, (_, n) =>
        streams.append(`${root}.a`, text(String(n)), { expectLastSubjectSeq: 0 }),
      );
      const kinds = (await Promise.all(race)).map((result) => result.kind);
      expect(kinds.filter((kind) => kind === 'appended')).toHaveLength(1);
      expect(kinds.filter((kind) => kind === 'conflict')).toHaveLength(19);
    });

    it('an append repeated with its id is stored once, also when it expected something', async () => {
      const options = { msgId: `${root}-1`, expectLastSubjectSeq: 0 };
      const first = await streams.append(`${root}.a`, text('1'), options);
      expect(await streams.append(`${root}.a`, text('1'), options)).toEqual(first);
      expect(await readAll()).toHaveLength(1);
    });

    it('an append that no stream keeps is unavailable, and surely not stored', async () => {
      const result = await streams.append('nobody.keeps.this', text('x'));
      expect(result).toMatchObject({ kind: 'unavailable', maybeStored: false });
    });

    it('last gives the newest entry of a subject', async () => {
      expect(await streams.last(stream, `${root}.a`)).toBeUndefined();
      await append('a', '1');
      const seq = await append('a', '2');
      await append('b', '3');
      const last = await streams.last(stream, `${root}.a`);
      expect(last).toMatchObject({ seq, subject: `${root}.a`, pending: 0 });
      expect(untext(last?.data ?? new Uint8Array())).toBe('2');
      expect(await streams.last(stream, `${root}.>`)).toMatchObject({ seq: seq + 1, subject: `${root}.b` });
      await streams.purge(stream, `${root}.b`);
      expect(await streams.last(stream, `${root}.*`)).toMatchObject({ seq, subject: `${root}.a` });
    });

    it('the newest sequence counts entries that are not kept any more', async () => {
      expect(await streams.newestSeq(stream)).toBe(0);
      await append('a', '1');
      const seq = await append('b', '2');
      await streams.purge(stream, `${root}.b`);
      expect(await streams.newestSeq(stream)).toBe(seq);
    });

    it('reading can begin anywhere and be narrowed to a subject', async () => {
      await append('a', '1');
      const from = await append('b', '2');
      await append('a', '3');
      await append('b.c', '4');
      expect(values(await readAll({ fromSeq: from }))).toEqual(['2', '3', '4']);
      expect(values(await readAll({ fromSeq: from, subject: `${root}.a` }))).toEqual(['3']);
      expect(values(await readAll({ subject: `${root}.b.>` }))).toEqual(['4']);
      expect(await readAll({ fromSeq: from + 10 })).toEqual([]);
    });

    it('a reading that begins within the stream is whole, whatever ended before', async () => {
      // nats-server 2.9 counts too few for it: it takes off what came before of subjects that it looks at first, in an order that changes.
      const ended = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
      const tails = ['x', ...ended, ...Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? 'x' : 'y'))];
      for (const tail of tails) await append(`o.${tail}`, tail);
      for (let from = 2; from <= 20; from += 1) {
        const read = values(await readAll({ subject: `${root}.o.*`, fromSeq: from, batch: 1 + (from % 7) }));
        expect([from, read]).toEqual([from, tails.slice(from - 1)]);
      }
    });

    it('a reading ends also when the newest entry is removed in the midst of it', async () => {
      for (let n = 0; n < 40; n += 1) await append(n % 2 === 0 ? 'o.a' : 'o.b', String(n));
      const evens = Array.from({ length: 20 }, (_, n) => String(2 * n));
      for (const subject of [`${root}.o.*`, `${root}.>`]) {
        await append('o.last', 'last');
        const got: string[] = [];
        const sinceMs = performance.now();
        for await (const { data } of streams.read(stream, { subject, batch: 2 })) {
          got.push(untext(data));
          if (got.length === 1) await streams.purge(stream, `${root}.o.last`);
          if (got.length === 1) await streams.purge(stream, `${root}.o.b`, { beforeSeq: 40 });
        }
        expect(got.filter((value) => Number(value) % 2 === 0)).toEqual(evens);
        expect(got.findLast((value) => value !== 'last')).toBe('39');
        expect(performance.now() - sinceMs).toBeLessThan(2_500);
      }
    });

    it('the newest entry per subject can be read alone', async () => {
      for (const [tail, value] of [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
        ['c', '4'],
        ['b', '5'],
      ] as const) {
        await append(tail, value);
      }
      const entries = await readAll({ lastPerSubject: true });
      expect(values(entries)).toEqual(['3', '4', '5']);
      expect(entries.at(-1)?.pending).toBe(0);
    });

    it('a reader of nothing is caught up at once', async () => {
      await append('a', '1');
      let told = 0;
      const options = { subject: `${root}.none`, onCaughtUp: () => (told += 1) };
      expect(await readAll(options)).toEqual([]);
      expect(await readAll({ ...options, lastPerSubject: true })).toEqual([]);
      expect(told).toBe(2);
    });

    it('a follower is told once that it is caught up, goes on with what is new, and ends by its signal', async () => {
      await append('a', '1');
      const stop = new AbortController();
      const got: string[] = [];
      const following = (async () => {
        const onCaughtUp = () => got.push('caught up');
        for await (const entry of streams.read(stream, { follow: true, signal: stop.signal, onCaughtUp })) {
          got.push(untext(entry.data));
        }
      })();
      await eventually(() => got.length === 2);
      await append('a', '2');
      await eventually(() => got.length === 3);
      expect(got).toEqual(['1', 'caught up', '2']);
      stop.abort();
      await following;
    });

    it('many entries come through whole, whatever the batch', async () => {
      const count = 3_000;
      const appends = Array.from({ length: count }, (_, index) =>
        streams.append(`${root}.${index % 7}`, text(String(index))),
      );
      await Promise.all(appends);
      for (const batch of [1_000, 100]) {
        const entries = await readAll({ batch });
        expect(values(entries)).toEqual(Array.from({ length: count }, (_, index) => String(index)));
      }
    });

    it('a consumer that takes its time loses nothing, and one that leaves frees the reader', async () => {
      for (let i = 0; i < 20; i++) await append('a', String(i));
      const got: string[] = [];
      for await (const entry of streams.read(stream, { batch: 4, follow: true })) {
        got.push(untext(entry.data));
        if (got.length % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
        if (got.length === 18) break;
      }
      expect(got).toEqual(Array.from({ length: 18 }, (_, index) => String(index)));
    });

    it('purging a subject leaves the others, and sequences go on', async () => {
      const first = await append('a', '1');
      await append('b', '2');
      await streams.purge(stream, `${root}.a`);
      expect(values(await readAll())).toEqual(['2']);
      expect(await streams.last(stream, `${root}.a`)).toBeUndefined();
      expect(await append('a', '3')).toBe(first + 2);
    });

    it('purge before a sequence leaves that entry, later ones, and other subjects', async () => {
      await append('b', '1');
      await append('a', '2');
      const at = await append('a', '3');
      await append('a', '4');
      await streams.purge(stream, `${root}.a`, { beforeSeq: at });
      expect(values(await readAll())).toEqual(['1', '3', '4']);
      await streams.purge(stream, `${root}.a`, { beforeSeq: at + 1 });
      expect(values(await readAll())).toEqual(['1', '4']);
    });

    it('purging a subject takes nothing from a reader that has other entries before it', async () => {
      await append('gone', '0');
      for (let i = 0; i < 30; i++) await append('a', String(i));
      const got: string[] = [];
      for await (const { data } of streams.read(stream, { batch: 2, subject: `${root}.>` })) {
        got.push(untext(data));
        if (got.length === 5) await streams.purge(stream, `${root}.gone`);
      }
      expect(got).toEqual(['0', ...Array.from({ length: 30 }, (_, index) => String(index))]);
    });

    it('purging what is not there, or by two at once, is no fault; a wildcard takes all that match', async () => {
      await streams.purge(stream, `${root}.none`);
      for (const tail of ['a', 'b.c', 'b.d', 'b.c', 'e']) await append(tail, tail);
      await Promise.all([1, 2, 3].map(() => streams.purge(stream, `${root}.b.*`)));
      expect(values(await readAll())).toEqual(['a', 'e']);
    });

    it('limits hold: entries per subject, and their change by ensure', async () => {
      await define({ maxMsgsPerSubject: 1 });
      await append('a', '1');
      await append('a', '2');
      await append('b', '3');
      expect(values(await readAll())).toEqual(['2', '3']);
      await define({ maxMsgsPerSubject: 2, maxAgeMs: 400 * 24 * 3_600_000 });
      await append('a', '4');
      expect(values(await readAll())).toEqual(['2', '3', '4']);
    });

    it('a stream of a newer format, or one older by two, is refused before anything is changed; one older is raised', async () => {
      await append('a', '1');
      await define({ format: 2 });
      const other = { name: `${stream}_OTHER`, subjects: [`other.${root}.>`] };
      const ensure = (format: number): Promise<void> =>
        streams.ensure([
          other,
          { name: stream, subjects: [`${root}.>`], storage: 'file', maxMsgsPerSubject: 1, format },
        ]);
      await expect(ensure(1)).rejects.toMatchObject({
        code: 'newer_format',
        message: expect.stringMatching(`${stream} has format 2, and this version knows 1`),
      });
      await expect(ensure(4)).rejects.toMatchObject({ code: 'older_format' });
      await expect(streams.newestSeq(other.name)).rejects.toMatchObject({ code: 'no_stream' });
      await append('a', '2');
      expect(values(await readAll())).toEqual(['1', '2']);
      await ensure(3);
      await expect(ensure(2)).rejects.toMatchObject({ code: 'newer_format' });
    });

    it('ensure may be called again and by several at once', async () => {
      const definition = { name: `${stream}_X`, subjects: [`x.${root}.>`], maxBytes: 1_000_000 };
      const other = await fixture.connect();
      await Promise.all([
        streams.ensure([definition]),
        other.streams.ensure([definition]),
        streams.ensure([definition]),
      ]);
      await streams.ensure([definition]);
      await other.stop();
    });

    it('a definition that cannot be had is refused as invalid', async () => {
      await expect(define({ storage: 'memory' })).rejects.toMatchObject({ name: 'StreamError', code: 'invalid' });
    });

    it('a stream that does not exist is named so', async () => {
      const missing = expect.objectContaining({ name: 'StreamError', code: 'no_stream' });
      await expect(streams.last('NO_SUCH_STREAM', 'a')).rejects.toEqual(missing);
      await expect(streams.newestSeq('NO_SUCH_STREAM')).rejects.toEqual(missing);
      await expect(streams.purge('NO_SUCH_STREAM', 'a')).rejects.toEqual(missing);
      const reading = (async () => {
        for await (const entry of streams.read('NO_SUCH_STREAM')) void entry;
      })();
      await expect(reading).rejects.toEqual(missing);
    });

    it('a reader goes on after an outage without a gap or a repeat', async () => {
      const stop = new AbortController();
      const got: string[] = [];
      const following = (async () => {
        for await (const entry of streams.read(stream, { follow: true, signal: stop.signal, batch: 8 })) {
          got.push(untext(entry.data));
        }
      })();
      for (let i = 0; i < 20; i++) await append('a', String(i));
      await eventually(() => got.length === 20);
      await fixture.interrupt();
      await eventually(() => !kept.broker.bus.connected);
      expect(await streams.append(`${root}.a`, text('lost'))).toMatchObject({
        kind: 'unavailable',
        maybeStored: false,
      });
      await fixture.restore();
      await eventually(
        async () => (await streams.append(`${root}.a`, text('20'), { msgId: `${root}-20` })).kind === 'appended',
      );
      for (let i = 21; i < 40; i++) await append('a', String(i));
      await eventually(() => got.length === 40);
      expect(got).toEqual(Array.from({ length: 40 }, (_, index) => String(index)));
      stop.abort();
      await following;
    });
  });
}
