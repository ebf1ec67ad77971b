import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { text, untext, type BrokerFixture } from './broker-fixture.js';
import { seqOf, useContractStream, type ContractStream } from './contract-stream.js';
import { followView } from '../follow-view.js';
import type { Entry, StreamStore } from '../stream-store.js';

/** Registers the tests of readers that follow a stream, and of views. Call it in a test file of each implementation. */
export function followContract(title: string, makeFixture: () => Promise<BrokerFixture>): void {
  describe(`${title} keeps the contract of followers:`, () => {
    let kept: ContractStream;
    let streams: StreamStore;
    let stream: string;
    let root: string;
    useContractStream('FOLLOWED', makeFixture, (made) => {
      kept = made;
      ({ streams, stream, root } = made);
    });
    const define: ContractStream['define'] = (more) => kept.define(more);
    const append: ContractStream['append'] = (tail, value) => kept.append(tail, value);
    const readAll: ContractStream['readAll'] = (options) => kept.readAll(options);

    it('a view holds the newest of each subject when it is given out, and follows', async () => {
      await define({ maxMsgsPerSubject: 1 });
      for (const [tail, value] of [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
      ] as const)
        await append(tail, value);
      const seen = new Map<string, string>();
      const apply = (entry: Entry) => void seen.set(entry.subject, untext(entry.data));
      const view = await followView(streams, { stream, apply, logger: silentLogger });
      expect(Object.fromEntries(seen)).toEqual({ [`${root}.a`]: '3', [`${root}.b`]: '2' });
      await append('c', '4');
      await eventually(() => seen.get(`${root}.c`) === '4');
      await view.stop();
      await append('d', '5');
      expect(seen.has(`${root}.d`)).toBe(false);
    });

    it('a view is current once it has what was appended before, and also when the newest was removed or is not of its subject', async () => {
      await define({ maxMsgsPerSubject: 1 });
      const seen: string[] = [];
      const apply = (entry: Entry) => void seen.push(untext(entry.data));
      const view = await followView(streams, { stream, subject: `${root}.a.*`, apply, logger: silentLogger });
      for (let n = 0; n < 20; n += 1) {
        // What begins before the append says nothing of it, also to who asks after it.
        const before = view.current();
        await append(`a.${n}`, String(n));
        await Promise.all([view.current(), view.current()]);
        await before;
        expect(seen).toHaveLength(n + 1);
      }
      // Others go on writing while it is asked.
      let isWriting = true;
      const writing = (async () => {
        for (let n = 0; isWriting; n += 1) await append('a.20', String(n));
      })();
      for (let n = 0; n < 100; n += 1) await view.current();
      isWriting = false;
      await writing;
      await append('b', 'another');
      await view.current();
      await append('a.20', 'removed');
      await streams.purge(stream, `${root}.a.20`);
      await view.current();
      await view.stop();
    });

    it.each([1, 3])('20 MB of large records, with gaps between, are seen whole: %d kept per subject', async (kept) => {
      await define({ maxMsgsPerSubject: kept });
      const subjects = Array.from({ length: 500 }, (_, n) => String(n));
      const write = (tail: string, version: string) =>
        streams.append(`${root}.${tail}`, text(version.padEnd(48_000, '.')));
      const versions = new Map<string, string>();
      for (const [version, chosen] of [
        ['1', subjects],
        ['2', subjects.filter((_, n) => n % 3 === 0)],
        ['3', subjects.filter((_, n) => n % 7 === 0)],
      ] as const) {
        for (const result of await Promise.all(chosen.map((tail) => write(tail, version)))) seqOf(result);
        for (const tail of chosen) versions.set(`${root}.${tail}`, version);
      }
      for (const tail of subjects.filter((_, n) => n % 50 === 11)) {
        await streams.purge(stream, `${root}.${tail}`);
        versions.delete(`${root}.${tail}`);
      }
      const seen = new Map<string, string>();
      const apply = ({ subject, data }: Entry) => void seen.set(subject, untext(data.subarray(0, 1)));
      const sinceMs = performance.now();
      const view = await followView(streams, { stream, apply, logger: silentLogger });
      expect(seen).toEqual(versions);
      seqOf(await write('new', '4'));
      await eventually(() => seen.get(`${root}.new`) === '4');
      await view.stop();
      const newest = await readAll({ lastPerSubject: true });
      expect(newest.map(({ subject }) => subject).toSorted()).toEqual([...seen.keys()].toSorted());
      // Far less than a request stays open: nobody waits for entries that are not there.
      expect(performance.now() - sinceMs).toBeLessThan(10_000);
    });

    it('a reader that is stopped in the midst has not caught up', async () => {
      for (let n = 0; n < 5; n += 1) await append('a', String(n));
      const stopping = new AbortController();
      const seen: string[] = [];
      let caughtUp = 0;
      const options = { follow: true, signal: stopping.signal, onCaughtUp: () => (caughtUp += 1) };
      for await (const entry of streams.read(stream, options)) {
        seen.push(untext(entry.data));
        if (seen.length === 3) stopping.abort();
      }
      expect([seen, caughtUp]).toEqual([['0', '1', '2'], 0]);
    });

    it('what is appended while it is read comes after it has caught up, in order', async () => {
      for (let n = 0; n < 200; n += 1) await append('a', String(n));
      const stopping = new AbortController();
      const seen: string[] = [];
      let whenCaughtUp = -1;
      const onCaughtUp = (): void => void (whenCaughtUp = seen.length);
      for await (const entry of streams.read(stream, { follow: true, signal: stopping.signal, onCaughtUp })) {
        seen.push(untext(entry.data));
        if (seen.length === 1) await append('a', '200');
        if (seen.length === 201) stopping.abort();
      }
      expect(seen).toEqual(Array.from({ length: 201 }, (_, n) => String(n)));
      expect(whenCaughtUp).toBe(200);
    });

    it('large entries after small ones come whole and in order', async () => {
      const sizes = Array.from({ length: 560 }, (_, n) => (n < 500 ? 10 : 700_000));
      for (const size of sizes) seqOf(await streams.append(`${root}.a`, new Uint8Array(size)));
      const entries = await readAll({ batch: 1_000 });
      expect(entries.map(({ data }) => data.length)).toEqual(sizes);
    });

    it('a view of nothing is given out at once, and one of a missing stream fails', async () => {
      const apply = () => undefined;
      const view = await followView(streams, { stream, subject: `${root}.none`, apply, logger: silentLogger });
      await view.stop();
      await expect(followView(streams, { stream: 'NO_SUCH', apply, logger: silentLogger })).rejects.toMatchObject({
        code: 'no_stream',
      });
    });
  });
}
