import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFeedRecord } from './feed-record.js';
import { parseOsvRecord } from './osv-record.js';
import { scoreOf, scoreOfVector } from './severity.js';
import { type RecordText, splitRecords } from './split-records.js';
import { VulnerabilityIndex } from './vulnerability-index.js';

async function split(chunks: Iterable<string>, limit?: number): Promise<RecordText[]> {
  const found: RecordText[] = [];
  for await (const one of splitRecords(chunks, limit)) found.push(one);
  return found;
}

test('objects are found in lists and lines, wherever chunks end', async () => {
  const objects = fc.array(fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 })), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(objects, fc.boolean(), fc.integer({ min: 1, max: 9 }), async (values, asList, size) => {
      const text = asList ? JSON.stringify(values, null, 1) : values.map((one) => JSON.stringify(one)).join('\n');
      const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size),
      );
      const found = await split(chunks);
      expect(found).toEqual(found.map((one) => ({ ...one, kind: 'record' })));
      expect(found.map((one) => JSON.parse(one.kind === 'record' ? one.text : '') as unknown)).toEqual(
        values.map((one) => JSON.parse(JSON.stringify(one)) as unknown),
      );
    }),
    { numRuns: 200 },
  );
});

test('a record over the limit is skipped, and those after it are read', async () => {
  const found = await split(['{"a": "', 'x'.repeat(100), '"}', '\n{"b": 1}'], 50);
  expect(found).toEqual([{ kind: 'too_large' }, { kind: 'record', text: '{"b": 1}' }]);
});

test('a value that is no object is told with its position, and the records around it are read, wherever chunks end', async () => {
  const other = ['null', '17', '-1.5e3', 'true', '"a{\\"]b"', '"\\u007b"'];
  for (const value of other) {
    const lines = `{"a":"["}\n${value}\n{"b":1}\n${value}`;
    for (const text of [`[{"a":"["},${value} , {"b":1},${value}]`, lines])
      for (const size of [1, 3, text.length]) {
        const chunks = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
        expect(await split(chunks)).toEqual([
          { kind: 'record', text: '{"a":"["}' },
          { kind: 'no_object', message: `record 2: ${value} is no object` },
          { kind: 'record', text: '{"b":1}' },
          { kind: 'no_object', message: `record 4: ${value} is no object` },
        ]);
      }
  }
  const [long] = await split(['["', 'x'.repeat(1_000_000), '", {"a": 1}]']);
  expect(long).toEqual({ kind: 'no_object', message: `record 1: "${'x'.repeat(19)}… is no object` });
});

test('an index has the records of a list with others in it, and is not whole', async () => {
  const index = new VulnerabilityIndex();
  await index.read(['[null, {"id": "A", "modified": "2026-01-01T00:00:00Z"}, 7]']);
  expect(index).toMatchObject({ complete: false, counts: { records: 1, refused: 2 } });
  expect(index.faults).toEqual(['record 1: null is no object', 'record 3: 7 is no object']);
});

test.each(['nothing', '1st', '- {}', 'null0', '"ends inside'])(
  '%s is no value of JSON: the rest is not read',
  async (text) => {
    expect((await split(['{"a": 1} ', text])).map(({ kind }) => kind)).toEqual(['record', 'broken']);
  },
);

test('what is no record ends the reading with a message', async () => {
  expect(await split(['{"a": 1} <html>{"b": 1}'])).toMatchObject([{ kind: 'record' }, { kind: 'broken' }]);
  expect(await split(['{"a": {'])).toEqual([{ kind: 'broken', message: 'the text ends inside a record' }]);
});

test.each([
  ['{', /JSON/],
  ['{"id": "A"}', /modified/],
  ['{"id": "A", "modified": "x", "affected": [{"package": {"ecosystem": 1, "name": "a"}}]}', /affected.0.package/],
  [`{"id": "${'A'.repeat(200)}", "modified": "x"}`, /id/],
])('a record that is none is told: %s', (text, message) => {
  const parsed = parseOsvRecord(text);
  expect(parsed.ok ? '' : parsed.message).toMatch(message);
});

test('a million records go through in bounded memory, and only wanted packages are kept', async () => {
  const count = Number(process.env['MUSTER_FEED_RECORDS'] ?? 100_000);
  function* feed(): Generator<string> {
    for (let i = 0; i < count; i += 100) {
      let text = '';
      for (let j = i; j < i + 100; j += 1)
        text += `{"id":"T-${j}","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"p${j % 5_000}"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.${j}"}]}]}]}\n`;
      yield text;
    }
  }
  const index = new VulnerabilityIndex({ wants: (_ecosystem, name) => name === 'p7' });
  await index.read(feed());
  expect(index).toMatchObject({ complete: true, counts: { records: count, kept: count / 5_000, refused: 0 } });
  expect(index.advisories('Debian:12', 'p7')).toHaveLength(count / 5_000);
});

test('an index over its limit says that it is not whole', () => {
  const index = new VulnerabilityIndex({ limit: 1 });
  for (const id of ['A', 'B', 'C'])
    index.add({ id, modified: '', affected: [{ package: { ecosystem: 'npm', name: 'a' } }] });
  expect(index).toMatchObject({
    complete: false,
    counts: { kept: 1 },
    faults: [expect.stringContaining('more than 1')],
  });
});

test('an empty score is none, and not 0', () => {
  const read = (epss: unknown) =>
    readFeedRecord('epss', JSON.stringify({ cve: 'CVE-2026-1', epss, percentile: '0.5' })).ok;
  expect(['0.1', '1', 0, '9.1e-05', '', ' ', null, '2', 'x'].map(read)).toEqual([
    ...[true, true, true, true, false, false, false, false, false],
  ]);
});

test('names of PyPI are compared in their normal form', () => {
  const index = new VulnerabilityIndex();
  index.add({ id: 'A', modified: '', affected: [{ package: { ecosystem: 'PyPI', name: 'Zope.Interface' } }] });
  expect(index.advisories('PyPI', 'zope_interface')).toHaveLength(1);
});

test.each([
  ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N', 9.3, 'critical'],
  ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', 9.8, 'critical'],
  ['CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N', 1.8, 'low'],
  ['AV:N/AC:L/Au:N/C:C/I:C/A:C', 10, 'critical'],
])('the score of %s', (vector, score, rating) => {
  expect(scoreOfVector(vector)).toEqual({ vector, score, rating });
});

test('the newest version of CVSS counts, and what is no vector has no score', () => {
  const old = { type: 'CVSS_V2', score: 'AV:N/AC:L/Au:N/C:C/I:C/A:C' };
  const current = { type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' };
  expect(scoreOf([old, current])?.score).toBe(9.8);
  expect(scoreOf([{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:X/nonsense' }, old])?.score).toBe(10);
  expect(scoreOf([{ type: 'Ubuntu', score: 'high' }])).toBeUndefined();
  expect(scoreOf(undefined)).toBeUndefined();
});
