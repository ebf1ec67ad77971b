import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { StreamStore } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import type { Endpoint } from '@muster/directory';
import { encodeChecks } from '@muster/packs/checks';
import { readPack } from '@muster/packs';
import { EMPTY_LEDGER, encodeScanRow, newQueryId, type OrgId, type ScanRow } from '@muster/protocol';
import {
  AnswerBlockWriter,
  encodePosture,
  encodeQueryRecord,
  GroupBlockWriter,
  STREAM_SUBJECTS,
  STREAMS,
  type ExceptionRecord,
  type QueryRecord,
  type ResultEvent,
} from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { DecisionStore } from '../decisions/decision-store.js';
import { PackLibrary } from '../packs/pack-library.js';
import { KeptFindings } from './kept-findings.js';
import { recorderMetrics } from './recorder-metrics.js';
import { ScanLibrary } from './scan-library.js';
import { endpointsOf, findingsOf, scoresOf } from './scan-findings.js';
import { ScanReader } from './scan-reader.js';
import { ScanRecorder } from './scan-recorder.js';

const ORG = 'acme' as OrgId;
const YAML = `kind: muster/pack
format: 1
id: own
version: 1.0.0
title: Own
checks:
  - { id: one, title: One, severity: high, platforms: [linux], sql: SELECT 1, row_means: fail }
  - { id: two, title: Two, severity: low, platforms: [linux], sql: SELECT 2, row_means: fail }
`;
const read = readPack(YAML);
if (!read.ok) throw new Error('no pack');
const { bytes, hash } = encodeChecks(read.pack.checks);
const PACK = { id: 'own', version: '1.0.0', hash, checks: 2, jws: 'j', keys: 'k' };

/** Numbers 1 and 2 are at site a, all others at site b. */
const endpoints = new Map(
  [1, 2, 3, 4].map((num) => {
    const facts = { host: `host-${num}` };
    return [num, { num, agentId: `agent-${num}`, facts, labels: { site: num < 3 ? 'a' : 'b' } } as unknown as Endpoint];
  }),
);

let broker: MemoryBroker;
let streams: ReturnType<MemoryBroker['connect']>['streams'];
let clockMs = 1_790_000_000_000;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  broker = new MemoryBroker();
  ({ streams } = broker.connect());
  await streams.ensure(Object.values(STREAMS));
  const text = deflateRawSync(YAML);
  const record = { ...PACK, org: ORG, title: 'Own', text, bytes, by: { id: 'a', name: 'A' }, atMs: 1 };
  await streams.append(STREAM_SUBJECTS.pack(ORG, 'own'), encodePosture(record));
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function startInstance(around: (streams: StreamStore) => StreamStore = (same) => same) {
  const connection = { streams: around(broker.connect().streams) };
  const packs = new PackLibrary({ streams: connection.streams, logger: silentLogger });
  const scans = new ScanLibrary({ streams: connection.streams, logger: silentLogger });
  const metrics = recorderMetrics(createMetrics('posture'));
  const exceptions = new DecisionStore<ExceptionRecord>({
    ...{ streams: connection.streams, logger: silentLogger, noun: 'exception', prefix: 'exc' },
    ...{ subjects: STREAM_SUBJECTS.allExceptions, subjectOf: STREAM_SUBJECTS.exception },
  });
  const reader = new ScanReader({
    ...{ streams: connection.streams, packs, exceptions, now: () => clockMs },
    directory: { byNum: (num) => endpoints.get(num) },
  });
  const recorder = new ScanRecorder({
    streams: connection.streams,
    reader,
    scans,
    logger: silentLogger,
    metrics,
  });
  await packs.start();
  await scans.start();
  await exceptions.start();
  await recorder.start();
  const stop = async (): Promise<void> => {
    await recorder.stop();
    await exceptions.stop();
    await scans.stop();
    await packs.stop();
  };
  stops.push(stop);
  return { scans, reader, exceptions, stop };
}

/** A scan that has ended: an endpoint for each list of outcomes. */
async function endScan(
  outcomes: readonly (readonly [ScanRow['outcome'], ScanRow['outcome']])[],
  change: Partial<QueryRecord> = {},
  /** How many endpoints of a group are named. */
  named = 10,
): Promise<QueryRecord> {
  clockMs += 1_000;
  const answered = outcomes.length;
  const running: QueryRecord = {
    ...{
      id: newQueryId(clockMs),
      org: ORG,
      operator: 'o',
      operatorName: 'O',
      sql: 'SCAN own',
      selector: '',
      scope: '',
    },
    ...{
      mode: 'group',
      columns: ['check', 'outcome', 'reason', 'evidence'],
      timeoutMs: 1_000,
      owner: 'q-1' as never,
      pack: PACK,
    },
    ...{
      state: 'running',
      createdAtMs: clockMs,
      deadlineMs: clockMs + 1_000,
      ledger: EMPTY_LEDGER,
      offline: 0,
      rows: 0,
    },
  };
  const record: QueryRecord = {
    ...{ ...running, state: 'complete', endedAtMs: clockMs + 500 },
    ledger: { ...EMPTY_LEDGER, targeted: answered, answered },
    ...change,
  };
  const emit = (event: ResultEvent): Promise<unknown> =>
    streams.append(STREAM_SUBJECTS.result(ORG, record.id), encodeQueryRecord(event));
  await emit({ t: 'started', record: running });
  const rowOf = (check: number, outcome: ScanRow['outcome']): Uint8Array =>
    encodeScanRow({ check, outcome, reason: null, evidence: outcome === 'fail' ? '[{}]' : null });
  if (record.mode === 'raw') {
    const block = new AnswerBlockWriter();
    for (const [num, [one, two]] of outcomes.entries())
      block.add(num + 1, Buffer.concat([rowOf(0, one), rowOf(1, two)]));
    await emit({ t: 'rows', answers: block.bytes() });
  } else {
    const groups = new Map<string, { row: Uint8Array; endpoints: number; sample: number[] }>();
    for (const [num, pair] of outcomes.entries())
      for (const [check, outcome] of pair.entries()) {
        const group = groups.get(`${check}${outcome}`) ?? { row: rowOf(check, outcome), endpoints: 0, sample: [] };
        groups.set(`${check}${outcome}`, group);
        group.endpoints += 1;
        if (group.sample.length < named) group.sample.push(num + 1);
      }
    // A group grows: the last block of an index counts.
    const [early, whole] = [new GroupBlockWriter(), new GroupBlockWriter()];
    for (const [index, group] of [...groups.values()].entries()) {
      early.add(index, { ...group, endpoints: 1, copies: 1 });
      whole.add(index, { ...group, copies: group.endpoints });
    }
    await emit({ t: 'groups', groups: early.bytes() });
    await emit({ t: 'groups', groups: whole.bytes() });
  }
  await emit({ t: 'ended', record });
  await streams.append(STREAM_SUBJECTS.query(ORG, record.id), encodeQueryRecord(record));
  return record;
}

const kept = (scans: ScanLibrary, { id }: QueryRecord) =>
  eventually(async () => {
    const scan = await scans.get(ORG, id);
    if (scan === undefined) throw new Error('it is not kept');
    return scan;
  }, 'the scan is kept');

describe('what a scan found', () => {
  test.each(['group', 'raw'] as const)('is counted for each check, form %s', async (mode) => {
    const { scans } = await startInstance();
    const query = await endScan(
      [
        ['pass', 'pass'],
        ['pass', 'fail'],
        ['error', 'fail'],
      ],
      { mode },
    );
    expect(await kept(scans, query)).toMatchObject({
      ...{ state: 'complete', pack: { id: 'own', version: '1.0.0', title: 'Own' }, score: 88.24 },
      checks: [
        {
          id: 'one',
          title: 'One',
          severity: 'high',
          pass: 2,
          fail: 0,
          error: 1,
          not_applicable: 0,
          over_budget: 0,
          uncounted: 0,
        },
        { id: 'two', severity: 'low', pass: 1, fail: 2, error: 0, uncounted: 0 },
      ],
    });
  });

  test('of a scan that ended while no instance ran is counted by the next one, once', async () => {
    const query = await endScan([['pass', 'fail']]);
    const [one, other] = await Promise.all([startInstance(), startInstance()]);
    await kept(one.scans, query);
    await kept(other.scans, query);
    let entries = 0;
    for await (const _ of streams.read(STREAMS.scans.name)) entries += 1;
    expect(entries).toBe(1);
  });

  test('is compared with the complete scan before it of the same pack and scope', async () => {
    const { scans } = await startInstance();
    const first = await endScan([['fail', 'pass']]);
    await kept(scans, first);
    await kept(scans, await endScan([['pass', 'pass']], { scope: 'env=prod' }));
    await kept(scans, await endScan([['pass', 'pass']], { state: 'interrupted' }));
    await eventually(() => scans.list(ORG, { limit: 10 }).length === 3, 'all are listed');
    expect(await kept(scans, await endScan([['pass', 'fail']]))).toMatchObject({
      ...{ previous: { id: first.id, score: 12.5 }, changes: { fails: ['two'], mended: ['one'], still: [] } },
    });
  });

  test('is neither compared with a scan that hardly anybody answered nor given way to it', async () => {
    const { scans } = await startInstance();
    const first = await endScan([['pass', 'pass']]);
    await kept(scans, first);
    const refused = { ledger: { ...EMPTY_LEDGER, targeted: 9, answered: 1, refused: 8 } };
    await kept(scans, await endScan([['error', 'error']], refused));
    await eventually(() => scans.list(ORG, { limit: 10 }).length === 2, 'both are listed');
    expect([...scans.newest()]).toMatchObject([{ id: first.id }]);
    expect(await kept(scans, await endScan([['pass', 'fail']]))).toMatchObject({
      ...{ previous: { id: first.id }, changes: { fails: ['two'] } },
    });
  });

  test('is never a part of it: an instance that stops in the middle leaves it to the next one', async () => {
    let stopping: Promise<void> | undefined;
    const stopped = await startInstance((own) => {
      const whole = own.read.bind(own);
      return Object.assign(own, {
        async *read(...[stream, options]: Parameters<StreamStore['read']>) {
          for await (const entry of whole(stream, options)) {
            yield entry;
            // After the first entry the service is told to stop.
            if (stream === STREAMS.results.name) stopping ??= stopped.stop();
            if (options?.signal?.aborted === true) return;
          }
        },
      });
    });
    const query = await endScan([['pass', 'fail']], { mode: 'raw' });
    await eventually(() => stopping !== undefined, 'it stops in the middle');
    await stopping;
    expect(await stopped.scans.get(ORG, query.id)).toBeUndefined();
    expect(await kept((await startInstance()).scans, query)).toMatchObject({ checks: [{ pass: 1 }, { fail: 1 }] });
  });

  test('says how many outcomes are missing when not all groups were kept', async () => {
    const { scans } = await startInstance();
    const ledger = { ...EMPTY_LEDGER, targeted: 5, answered: 5 };
    const query = await endScan(
      [
        ['pass', 'pass'],
        ['pass', 'fail'],
      ],
      { ledger, truncated: 'only the first were kept' },
    );
    expect(await kept(scans, query)).toMatchObject({
      truncated: 'only the first were kept',
      checks: [{ uncounted: 3 }, { uncounted: 3 }],
    });
  });

  test('of an interrupted scan is kept as such', async () => {
    const { scans } = await startInstance();
    expect(await kept(scans, await endScan([['pass', 'pass']], { state: 'interrupted' }))).toMatchObject({
      state: 'interrupted',
    });
  });

  test('is not whole when the version of the pack that ran is not kept any more', async () => {
    const { reader } = await startInstance();
    const { id } = await endScan([['fail', 'pass']], { pack: { ...PACK, hash: 'f'.repeat(64) } });
    const gone = await reader.find(ORG, id);
    expect(endpointsOf(gone, { num: 1 })).toEqual({ endpoints: [], isWhole: false });
    expect(scoresOf(gone)).toEqual({ scores: [], isWhole: false });
  });

  describe('with an exception', () => {
    const exception = (change: Partial<ExceptionRecord> = {}): ExceptionRecord => ({
      ...{ kind: 'exception', id: 'exc2222222222222', org: ORG, pack: 'own', check: 'one', selector: 'site=a' },
      ...{ scope: 'site=a', owner: 'ops', reason: 'known', untilMs: clockMs + 60_000, createdAtMs: clockMs },
      by: { id: 'a', name: 'A' },
      ...change,
    });
    const FAILS = [
      ['fail', 'pass'],
      ['fail', 'pass'],
      ['fail', 'pass'],
    ] as const;

    test.each(['group', 'raw'] as const)(
      'what fails where it allows it is shown, and not in the score, form %s',
      async (mode) => {
        const { scans, reader, exceptions } = await startInstance();
        await exceptions.write(exception(), 0);
        const query = await endScan(FAILS, { mode });
        const scan = await kept(scans, query);
        // 3 × 1 of 3 × 1 + (3 - 2) × 7.
        expect(scan).toMatchObject({
          score: 30,
          checks: [
            { id: 'one', fail: 3, excepted: 2 },
            { id: 'two', pass: 3 },
          ],
        });
        const read = await reader.find(ORG, query.id);
        expect(findingsOf(read, undefined)).toMatchObject([
          { check: 'one', endpoints: 3, exceptions: [{ id: 'exc2222222222222', owner: 'ops', endpoints: 2 }] },
        ]);
        expect(endpointsOf(read, { check: 'one', outcome: 'fail' })).toMatchObject({
          isWhole: true,
          endpoints: [{ num: 1, exception: 'exc2222222222222' }, { num: 2 }, { num: 3 }],
        });
        expect(endpointsOf(read, { num: 1 })).toMatchObject({
          isWhole: true,
          endpoints: expect.arrayContaining([
            expect.objectContaining({ check: 'one', outcome: 'fail', exception: 'exc2222222222222' }),
            expect.objectContaining({ check: 'two', outcome: 'pass' }),
          ]),
        });
        expect(endpointsOf(read, { num: 1, outcome: 'pass' }).endpoints).toMatchObject([{ num: 1, check: 'two' }]);
        expect(scoresOf(read).scores).toMatchObject([
          { num: 1, passed: 1, judged: 1, excepted: 1 },
          { num: 2, passed: 1, judged: 1 },
          { num: 3, passed: 1, judged: 8, excepted: 0, counts: { fail: 1, pass: 1 } },
        ]);
      },
    );

    test('of which only some endpoints are known counts as failing: an exception for some is not one for all', async () => {
      const { scans, exceptions } = await startInstance();
      await exceptions.write(exception(), 0);
      const many = Array.from({ length: 4 }, () => ['fail', 'pass'] as const);
      const query = await endScan(many, { mode: 'group' }, 2);
      expect(await kept(scans, query)).toMatchObject({ checks: [{ fail: 4 }, {}] });
      expect((await kept(scans, query)).checks[0]?.excepted).toBeUndefined();
    });

    test('that has ended, was deleted, or is of another check counts no more', async () => {
      const { scans, exceptions } = await startInstance();
      await exceptions.write(exception({ untilMs: clockMs + 1_000 }), 0);
      await exceptions.write(exception({ id: 'exc3333333333333', check: 'two', scope: '' }), 0);
      const by = { id: 'a', name: 'A' };
      await exceptions.write(exception({ id: 'exc4444444444444', scope: '', deleted: { by, atMs: clockMs + 1 } }), 0);
      const first = await kept(scans, await endScan(FAILS));
      expect(first).toMatchObject({ checks: [{ fail: 3 }, {}] });
      expect(first.checks[0]?.excepted).toBeUndefined();
    });
  });
});

test('a scan that runs is read once a second for all who watch it, and what pages show is sorted once', async () => {
  let reads = 0;
  const { reader } = await startInstance((own) => {
    const whole = own.read.bind(own);
    const read = (...[stream, options]: Parameters<StreamStore['read']>) => {
      // With a place to begin at it looks only whether that event is still kept.
      if (stream === STREAMS.results.name && options?.fromSeq === undefined) reads += 1;
      return whole(stream, options);
    };
    return Object.assign(own, { read });
  });
  const { id } = await endScan([['fail', 'fail']], { state: 'running' });
  const both = await Promise.all([reader.find(ORG, id), reader.find(ORG, id)]);
  expect([reads, both[1].fold]).toEqual([1, both[0].fold]);
  clockMs += 1_001;
  expect((await reader.find(ORG, id)).fold).not.toBe(both[0].fold);
  expect(reads).toBe(2);
  const pages = new KeptFindings();
  const first = pages.after(both[0], undefined, 0);
  expect(first.map(({ check }) => check)).toEqual(['one', 'two']);
  expect(pages.after(both[0], undefined, 1)).toEqual(first.slice(1));
  expect(pages.after(both[0], undefined, 1)[0]).toBe(first[1]);
  expect(pages.after(both[0], undefined, 0)).not.toBe(first);
});
