import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import {
  deb,
  endedQuestions,
  host,
  importFeed,
  type Instance,
  ORG,
  osv,
  startInstance,
} from '../testing/vulnerability-fixture.js';

let broker: MemoryBroker;
let instance: Instance;
const stops: (() => Promise<void>)[] = [];
const start = async (owns?: () => boolean): Promise<Instance> => {
  const started = await startInstance(broker, owns);
  stops.push(started.stop);
  return started;
};

beforeEach(async () => {
  broker = new MemoryBroker();
  await broker.connect().streams.ensure(Object.values(STREAMS));
  instance = await start();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const ended = (id: string, of = instance) =>
  eventually(async () => {
    const found = await of.scans.find(ORG, id);
    return found.state === 'running' ? undefined : found;
  });

describe('answers', () => {
  test('numbers of endpoints are bounds where several packages have a vulnerability', async () => {
    const cve = { upstream: ['CVE-2026-1'] };
    await importFeed(instance, 'debian', [[osv('A', 'curl', '2', cve), osv('B', 'wget', '2', cve)].join('\n')]);
    const system = [deb('curl', '1'), deb('wget', '1'), deb('bash', '1')] as const;
    const rows = [[host('debian', '12', 'deb'), 10] as const, ...system.map((row, i) => [row, 6 + i] as const)];
    const { id } = await endedQuestions(instance, { system: rows, language: [] });
    const scan = await ended(id);
    expect(scan).toMatchObject({
      state: 'complete',
      report: { packages: { vulnerable: 2, not_vulnerable: 1, not_known: 0 }, notKnown: [] },
    });
    const [finding] = await instance.scans.findings(scan);
    expect(finding).toMatchObject({ id: 'CVE-2026-1', affected: [{ endpointsAtMost: 7 }, { endpointsAtMost: 6 }] });
  });

  test('what no feed can know is told: other systems, systems without packages, languages without a feed', async () => {
    await importFeed(instance, 'debian', [osv('A', 'curl', '2')]);
    const system = [
      ...([
        [host('debian', '12', ''), 1],
        [host('arch', '', ''), 2],
      ] as const),
      ...([[host('opensuse-leap', '15.6', 'rpm'), 3]] as const),
    ];
    const language = [[['npm', '', '', '', 'left-pad', '1.0.0', ''], 4]] as const;
    const { id } = await endedQuestions(instance, { system, language });
    const { report } = await ended(id);
    expect(report?.notKnown.map(({ ecosystem, endpointsAtMost }) => [ecosystem, endpointsAtMost])).toEqual([
      ...[
        ['npm', 4],
        ['opensuse-leap 15.6', 3],
        ['arch', 2],
        ['Debian:12', 1],
      ],
    ]);
    expect(report?.packages).toEqual({ vulnerable: 0, not_vulnerable: 0, not_known: 1 });
  });

  test('faults of one feed make its own ecosystems not known, and no others', async () => {
    await importFeed(instance, 'debian', [osv('A', 'curl', '2')]);
    await importFeed(instance, 'npm', [`${osv('N', 'a', '2.0.0', {}, 'npm')}\n{"id": 1}`]);
    const system = [[deb('bash', '1'), 1]] as const;
    const language = [[['npm', '', '', '', 'b', '1.0.0', ''], 1]] as const;
    const { id } = await endedQuestions(instance, { system, language });
    expect((await ended(id)).report?.packages).toEqual({ vulnerable: 0, not_vulnerable: 1, not_known: 1 });
  });

  test('a question that ended early makes the scan interrupted, and one that never began too', async () => {
    await importFeed(instance, 'debian', [osv('A', 'curl', '2')]);
    const rows = { system: [[deb('curl', '1'), 1]] as const, language: [] };
    const { id } = await endedQuestions(instance, rows, { state: 'interrupted' });
    expect(await ended(id)).toMatchObject({ state: 'interrupted', report: { vulnerabilities: { unknown: 1 } } });
  });

  test('what only comes beside another ecosystem is not covered: what is not in the feed is not known there', async () => {
    const both = {
      ...{ id: 'B', modified: '2026-11-01T00:00:00Z' },
      affected: ['npm', 'PyPI'].map((ecosystem) => ({ package: { ecosystem, name: 'both' }, versions: ['1.0.0'] })),
    };
    await importFeed(instance, 'npm', [[osv('A', 'a', '2.0.0', {}, 'npm'), JSON.stringify(both)].join('\n')]);
    const row = (kind: string, name: string) => [[kind, '', '', '', name, '1.0.0', ''], 1] as const;
    const language = [row('npm', 'c'), row('python', 'both'), row('python', 'c')];
    const { id } = await endedQuestions(instance, { system: [], language });
    const { report } = await ended(id);
    expect(report?.packages).toEqual({ vulnerable: 1, not_vulnerable: 1, not_known: 1 });
    expect(report?.notKnown).toMatchObject([{ ecosystem: 'PyPI', reason: expect.stringContaining('PyPI alone') }]);
  });

  test('packages of other vendors and kernels of no package are told as not known', async () => {
    await importFeed(instance, 'debian', [osv('A', 'curl', '2')]);
    const kernel = (version: string) => ['kernel', 'debian', '12', '', '', version, '', ''];
    const system = [
      [[...deb('bash', '1'), ''], 4] as const,
      [[...deb('docker-ce', '1'), 'unclear'], 3] as const,
      // Of one source some binary packages may show less than others.
      [[...deb('git', '1'), ''], 4] as const,
      [[...deb('git', '1'), 'unclear'], 4] as const,
      [kernel('6.1.0-mine'), 2] as const,
      [kernel(''), 1] as const,
    ];
    const { id } = await endedQuestions(instance, { system, language: [] });
    const { report } = await ended(id);
    expect(report?.packages).toEqual({ vulnerable: 0, not_vulnerable: 1, not_known: 2 });
    expect(report?.notKnown).toMatchObject([
      { reason: expect.stringContaining('nothing shows'), packages: 2, sample: ['docker-ce 1', 'git 1'] },
      { reason: expect.stringContaining('of no package'), endpointsAtLeast: 2, sample: ['6.1.0-mine'] },
      { reason: expect.stringContaining('could not be read'), endpointsAtLeast: 1 },
    ]);
  });

  test('answers that lack something are told as not known', async () => {
    await importFeed(instance, 'debian', [osv('A', 'curl', '2')]);
    const rows = { system: [[deb('bash', '1'), 1]] as const, language: [] };
    const { id } = await endedQuestions(instance, rows, { warned: 3 });
    expect((await ended(id)).report?.notKnown).toMatchObject([
      { ecosystem: 'packages of the system', endpointsAtLeast: 3 },
      { ecosystem: 'packages of languages', endpointsAtLeast: 3 },
    ]);
  });

  test('names and versions of any length do not keep a scan from its end', async () => {
    const any = (i: number): string => randomBytes(256).toString('hex').slice(0, 500) + i;
    await importFeed(instance, 'debian', [osv('A', 'curl', '9'.repeat(500), { aliases: ['CVE-2026-1'] })]);
    const long = Array.from({ length: 4_000 }, (_, i) => [deb('curl', `1.${any(i)}`), 1] as const);
    const strange = Array.from({ length: 600 }, (_, i) => [host(any(i), '', 'deb'), 1] as const);
    const language = Array.from({ length: 50 }, (_, i) => [['npm', '', '', '', any(i), any(i), ''], 1] as const);
    const { id } = await endedQuestions(instance, { system: [...long, ...strange], language });
    const scan = await ended(id);
    expect(scan).toMatchObject({ state: 'complete', report: { packages: { vulnerable: 4_000 } } });
    const [finding] = await instance.scans.findings(scan);
    expect(finding?.affected).toHaveLength(4_000);
    const { notKnown = [] } = scan.report ?? {};
    expect(JSON.stringify(notKnown).length).toBeLessThan(300 * 1024);
    expect(notKnown.at(-1)?.reason).toMatch(/^\d+ more entries/);
    expect(notKnown.flatMap(({ sample }) => sample).every((one) => one.length <= 80)).toBe(true);
  });

  test('a newer scan of some endpoints, or one that told nothing, does not hide the one of all', async () => {
    await importFeed(instance, 'debian', [osv('A', 'curl', '2')]);
    const rows = { system: [[deb('curl', '1'), 1]] as const, language: [] };
    const { id } = await endedQuestions(instance, rows);
    const whole = await ended(id);
    for (const more of [{ state: 'interrupted' as const }, { answered: 0 }, { scope: 'os=linux' }])
      await ended((await endedQuestions(instance, rows, more)).id);
    expect(await instance.scans.newest(ORG)).toEqual(whole);
    expect(instance.scans.newestOfAll()).toMatchObject([{ id }]);
    expect(await instance.scans.newest(ORG, { operator: 'o', bound: 'os=linux' })).toBeUndefined();
  });

  test('rows that endpoints make up are left out', async () => {
    await importFeed(instance, 'debian', [osv('A', 'curl', '2')]);
    const rows = [
      [['deb'], 1],
      [[...deb('curl', '1').slice(0, 6), 'cu\u001b[2Jrl'], 1],
      [deb('x'.repeat(9_999), '1'), 1],
    ] as const;
    const { id } = await endedQuestions(instance, { system: rows, language: [] });
    expect((await ended(id)).state).toBe('complete');
  });
});

describe('instances', () => {
  test('one that stops in the middle leaves the scan to another, and both give one answer', async () => {
    await importFeed(instance, 'debian', [osv('A', 'curl', '2')]);
    await instance.stop();
    const dead = await start(() => false);
    const { id } = await endedQuestions(dead, { system: [[deb('curl', '1'), 3]], language: [] });
    expect((await dead.scans.find(ORG, id)).state).toBe('running');
    const [one, other] = [await start(), await start()];
    const scan = await ended(id, one);
    expect(scan.report).toMatchObject({ packages: { vulnerable: 1 } });
    expect(await other.scans.findings(scan)).toHaveLength(1);
  });

  test('a part is taken by one instance, and the end by another', async () => {
    const other = await start();
    const begun = await instance.requests.handle({ t: 'begin_feed', org: ORG, name: 'f', kind: 'osv' });
    const { upload } = begun as Extract<typeof begun, { t: 'feed_begun' }>;
    const part = { org: ORG, name: 'f', upload, part: 0, refused: 0, faults: [] };
    const data = (await import('node:zlib')).deflateRawSync(osv('A', 'curl', '2'));
    for (const one of [other, instance]) await one.requests.handle({ t: 'store_feed_part', ...part, data });
    const by = { id: 'a', name: 'A' };
    const end = { t: 'end_feed' as const, org: ORG, name: 'f', upload, parts: 1, by };
    const ended = await other.requests.handle(end);
    expect(ended).toMatchObject({ feed: { records: 1 } });
    expect(await instance.requests.handle(end)).toEqual(ended);
    await expect(instance.requests.handle({ ...end, upload: 'another' })).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('hostile feeds', () => {
  const rejected = async (texts: readonly string[]): Promise<string> =>
    importFeed(instance, 'f', texts).then(
      () => 'taken',
      ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
    );

  test.each([
    ['what unpacks to more than it may', [`"${'x'.repeat(17 * 1024 * 1024)}"`], /^bad_feed: .*unpacked/],
    ['no record at all', ['<html>not found</html>'], /^bad_feed: .*no record/],
    [
      'more ecosystems than there are',
      [Array.from({ length: 1_100 }, (_, i) => osv(`A${i}`, 'a', '1', {}, `E:${i}`)).join('\n')],
      /^bad_feed: .*1000 ecosystems/,
    ],
    [
      'more of them over several parts',
      [0, 1].map((part) =>
        Array.from({ length: 600 }, (_, i) => osv(`A${i}`, 'a', '1', {}, `E:${part}-${i}`)).join('\n'),
      ),
      /^bad_feed: .*1000 ecosystems/,
    ],
  ])('%s', async (_, texts, expected) => {
    expect(await rejected(texts)).toMatch(expected);
    expect(instance.feeds.list(ORG)).toEqual([]);
  });

  test('records that are huge, nested or of other types are counted and told; the others are read', async () => {
    const deep = `{"id":"D","modified":"x","affected":${'['.repeat(5_000)}${']'.repeat(5_000)}}`;
    const huge = osv('H', 'a', '1', { details: 'x'.repeat(9 * 1024 * 1024) });
    const texts = [
      osv('A', 'curl', '2'),
      deep,
      '{"id":"B"}',
      '{"__proto__":{"id":"P"}}',
      huge,
      osv('C', 'x'.repeat(600), '1'),
    ];
    const { feed } = await importFeed(instance, 'f', [texts.join('\n')]);
    expect(feed).toMatchObject({ records: 1, refused: 5 });
    expect(feed.faults).toHaveLength(5);
    expect(feed.faults.every((fault) => fault.length <= 300)).toBe(true);
  });

  test('a feed without one of its parts does not count, and an org has a bounded number of feeds', async () => {
    const begin = (name: string) => instance.requests.handle({ t: 'begin_feed', org: ORG, name, kind: 'osv' });
    const begun = await begin('f');
    const { upload } = begun as Extract<typeof begun, { t: 'feed_begun' }>;
    const end = { t: 'end_feed' as const, org: ORG, name: 'f', upload, parts: 2, by: { id: 'a', name: 'A' } };
    await expect(instance.requests.handle(end)).rejects.toMatchObject({ code: 'bad_feed' });
    for (let i = 1; i < 32; i += 1) await begin(`f${i}`);
    await expect(begin('one-more')).rejects.toMatchObject({ code: 'bad_feed' });
  });

  test('a new version takes the parts of the one before away; a version that is not ended leaves it', async () => {
    const parts = async (): Promise<number> => {
      let count = 0;
      for await (const _ of instance.streams.read(STREAMS.feedParts.name)) count += 1;
      return count;
    };
    await importFeed(instance, 'f', [osv('A', 'curl', '2'), osv('B', 'curl', '3')]);
    await instance.requests.handle({ t: 'begin_feed', org: ORG, name: 'f', kind: 'osv' });
    expect(instance.feeds.find(ORG, 'f').records).toBe(2);
    await importFeed(instance, 'f', [osv('A', 'curl', '2')]);
    expect([await parts(), (await instance.feeds.versions(ORG, 'f')).length]).toEqual([1, 2]);
    await instance.feeds.delete(ORG, 'f', { id: 'a', name: 'A' });
    expect([await parts(), instance.feeds.list(ORG)]).toEqual([0, []]);
    expect(await instance.streams.last(STREAMS.feeds.name, STREAM_SUBJECTS.feed(ORG, 'f'))).toBeDefined();
  });

  test('records by the thousand go through in bounded memory, and each verdict is right', async () => {
    const count = Number(process.env['MUSTER_FEED_RECORDS'] ?? 20_000);
    const perPart = 5_000;
    function* texts(): Generator<string> {
      for (let from = 0; from < count; from += perPart) {
        const part = Array.from({ length: Math.min(perPart, count - from) }, (_, i) => {
          const more = { upstream: [`CVE-2026-${from + i}`], details: `details of ${from + i}`.repeat(20) };
          return osv(`DSA-${from + i}`, `p${(from + i) % 20_000}`, `1.${from + i}`, more);
        });
        yield part.join('\n');
      }
    }
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 50);
    const startedMs = performance.now();
    const { feed } = await importFeed(instance, 'big', texts());
    const importedMs = performance.now();
    expect(feed).toMatchObject({ records: count, refused: 0 });
    // Each package has a tenth of its records above its version.
    const rows = Array.from({ length: 500 }, (_, i) => [deb(`p${i}`, `1.${count - 20_000 + i}`), 1] as const);
    const { id } = await endedQuestions(instance, { system: rows, language: [] });
    const scan = await eventually(
      async () => {
        const found = await instance.scans.find(ORG, id);
        return found.state === 'running' ? undefined : found;
      },
      'compared',
      60_000,
    );
    clearInterval(watch);
    const mib = (bytes: number): number => Math.round(bytes / 1024 ** 2);
    process.stdout.write(
      `${count} records: imported in ${Math.round(importedMs - startedMs)} ms, ${mib(feed.bytes)} MiB kept, compared with 500 packages in ${Math.round(performance.now() - importedMs)} ms, memory +${mib(most - before)} MiB\n`,
    );
    expect(scan.report?.packages).toEqual({ vulnerable: 0, not_vulnerable: 500, not_known: 0 });
    expect(mib(most - before)).toBeLessThan(400);
  }, 120_000);
});
