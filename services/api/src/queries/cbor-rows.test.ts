import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeFirst } from 'cborg';
import fc from 'fast-check';
import { encodeCbor, sqlValueToJson, type SqlValue } from '@muster/protocol';
import { AnswerBlockWriter, GroupBlockWriter, type QueryRecord } from '@muster/records';
import { ApiFixture } from '../testing/api-fixture.js';
import type { QueryStore } from './query-store.js';

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.start();
});
afterAll(() => api.stop());

interface Page {
  readonly items: readonly Record<string, unknown>[];
  readonly nextCursor?: string;
}

const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.constant(null),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
  fc.constantFrom(Infinity, -Infinity),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }),
);
const columns = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 5 });
const answers = columns.chain((names) =>
  fc.record({
    names: fc.constant(names),
    // An endpoint answers once; some have no rows.
    rows: fc.array(fc.array(fc.array(value, { minLength: names.length, maxLength: names.length }), { maxLength: 4 }), {
      maxLength: 12,
    }),
  }),
);

async function start(mode: 'raw' | 'group', names: readonly string[]): Promise<QueryRecord> {
  api.service.columns = [...names];
  const { body } = await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1', mode } });
  const store = api.api.components['queries'] as unknown as QueryStore;
  const record = await store.read('default' as never, body.id);
  if (record === undefined) throw new Error('the query is not there');
  return record;
}

async function answered(mode: 'raw' | 'group', names: readonly string[], rows: readonly Uint8Array[][]) {
  const record = await start(mode, names);
  const [raw, groups] = [new AnswerBlockWriter(), new GroupBlockWriter()];
  rows.forEach((own, i) => raw.add(i + 1, Buffer.concat(own)));
  rows.flat().forEach((row, i) => groups.add(i, { row, endpoints: 2, copies: 3, sample: [1, i + 2] }));
  await api.service.emit(
    record,
    mode === 'raw' ? { t: 'rows', answers: raw.bytes() } : { t: 'groups', groups: groups.bytes() },
  );
  await api.service.end(record);
  return record;
}

const load = (path: string, headers: Record<string, string>): Promise<Response> =>
  fetch(api.url + path, { headers: { authorization: `Bearer ${api.adminToken}`, ...headers } });

/** By another library than the one that wrote it, which takes nothing that the RFC forbids. */
function decodeAll(bytes: Uint8Array): unknown[] {
  const items: unknown[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const [item, after] = decodeFirst(rest, { strict: false, rejectDuplicateMapKeys: true });
    items.push(item);
    rest = after;
  }
  return items;
}

async function sequence(path: string, headers: Record<string, string> = {}): Promise<unknown[]> {
  const response = await load(path, { accept: 'application/cbor-seq', ...headers });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/cbor-seq']);
  return decodeAll(new Uint8Array(await response.arrayBuffer()));
}

const isSql = (item: unknown): item is SqlValue =>
  item === null || typeof item !== 'object' || item instanceof Uint8Array;
const jsonOf = (item: unknown): unknown => {
  if (isSql(item)) return sqlValueToJson(item);
  if (Array.isArray(item)) return item.map(jsonOf);
  return Object.fromEntries(Object.entries(item as object).map(([key, one]) => [key, jsonOf(one)]));
};

describe.each(['raw', 'group'] as const)('rows of a query in mode %s', (mode) => {
  test.each(['arrays', 'objects'])('have the same values in JSON and CBOR, as %s', async (shape) => {
    await fc.assert(
      fc.asyncProperty(answers, fc.integer({ min: 1, max: 9 }), async ({ names, rows }, limit) => {
        const encoded = rows.map((own) => own.map((row) => encodeCbor(row)));
        const record = await answered(mode, names, encoded);
        const path = `/v1/queries/${record.id}/rows?rows=${shape}`;
        const lines = (await api.get(`${path}&format=ndjson`)).text.split('\n').filter((line) => line !== '');
        const items = await sequence(path);
        expect(items.map(jsonOf)).toEqual(lines.map((line) => JSON.parse(line) as unknown));
        // What the endpoint sent, exactly.
        const sent = rows.flat().map((row) => decodeAll(encodeCbor(row))[0]);
        const told = items.slice(shape === 'arrays' ? 1 : 0) as Record<string, object>[];
        const values = told.map((item) => item['values'] ?? Object.values(item['row'] ?? {}));
        expect(values.map(sorted)).toEqual(sent.map(sorted));
        for (let cursor = '', more = true; more;) {
          const page = `${path}&limit=${limit}${cursor}`;
          const cbor = await load(page, { accept: 'application/cbor' });
          expect(cbor.headers.get('content-type')).toBe('application/cbor');
          const [one, ...others] = decodeAll(new Uint8Array(await cbor.arrayBuffer())) as Page[];
          expect(others).toEqual([]);
          expect(jsonOf(one)).toEqual((await api.get(page)).body);
          more = one?.nextCursor !== undefined;
          cursor = `&cursor=${one?.nextCursor}`;
        }
      }),
      { numRuns: 12 },
    );
  });
});

/** Objects may have their members in another order. */
const sorted = (row: unknown): string[] => (row as unknown[]).map((item) => JSON.stringify(jsonOf(item))).sort();

describe('rows in CBOR', () => {
  test('that are no UTF-8 do not make the whole unreadable', async () => {
    const hostile = Buffer.from('8262ff61f6', 'hex');
    const record = await answered('raw', ['a', 'b'], [[encodeCbor(['ok', 1])], [hostile], [encodeCbor(['ä', -1])]]);
    const items = (await sequence(`/v1/queries/${record.id}/rows`)) as { readonly values?: unknown }[];
    expect(items.map(({ values }) => values)).toEqual([undefined, ['ok', 1], ['\ufffda', null], ['ä', -1]]);
  });

  test('are compressed for who takes it, and the same', async () => {
    const rows = Array.from({ length: 3_000 }, (_, i) => [encodeCbor([`name ${i}`, i])]);
    const record = await answered('raw', ['name', 'n'], rows);
    const path = `/v1/queries/${record.id}/rows`;
    const packed = await load(path, { accept: 'application/cbor-seq', 'accept-encoding': 'gzip' });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    const plain = await sequence(path, { 'accept-encoding': 'identity' });
    expect(decodeAll(new Uint8Array(await packed.arrayBuffer()))).toEqual(plain);
    expect(plain).toHaveLength(3_001);
  });

  test('are asked for by Accept or by format, and problems stay JSON', async () => {
    const record = await answered('raw', ['a'], [[encodeCbor([1])]]);
    const path = `/v1/queries/${record.id}/rows`;
    const typeOf = async (query: string, accept: string): Promise<[number, string | null]> => {
      const response = await load(path + query, { accept });
      await response.arrayBuffer();
      return [response.status, response.headers.get('content-type')];
    };
    expect(await typeOf('?format=cbor', '*/*')).toEqual([200, 'application/cbor']);
    expect(await typeOf('?format=cbor-seq', '*/*')).toEqual([200, 'application/cbor-seq']);
    expect((await typeOf('', '*/*'))[1]).toContain('application/json');
    expect((await typeOf('', 'application/json;q=0.5, application/cbor'))[1]).toBe('application/cbor');
    for (const [query, status] of [
      ['?cursor=nonsense', 400],
      ['?limit=0', 400],
    ] as const) {
      expect(await typeOf(query, 'application/cbor')).toEqual([
        status,
        expect.stringContaining('application/problem+json'),
      ]);
    }
    const unknown = await load('/v1/queries/q-unknown/rows', { accept: 'application/cbor' });
    expect(unknown.headers.get('content-type')).toContain('application/problem+json');
    expect(((await unknown.json()) as { code: string }).code).toMatch(/not_found|bad_/);
  });
});
