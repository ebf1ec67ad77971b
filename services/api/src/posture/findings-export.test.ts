import { expect, test } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { deflateRawSync } from 'node:zlib';
import { operations } from '@muster/api-contract';
import { scanResultOperations } from './scan-result-operations.js';

const PACK = `kind: muster/pack
format: 1
id: own
version: 1.0.0
title: Own
checks:
  - { id: one, title: One, severity: high, platforms: [linux], sql: SELECT 1, row_means: fail }
`;
/** As a posture service of the version before says it: without exceptions. */
const FINDING = { check: 'one', outcome: 'fail', reason: null, evidence: '[]', endpoints: 1, sample: [1] };
const PAGE = 1_000;
const MANY = 60_000;

interface Exported {
  readonly body?: { readonly items: readonly object[]; readonly isCut: boolean };
  readonly lines: AsyncIterable<string>;
  /** How many pages were asked for by now. */
  readonly pages: () => number;
}

/** The export of a scan with so many findings, each made when its page is asked for. */
async function exported(
  count: number,
  format: string,
  { state = 'complete', chars = 2, failsAt = 0, emptyAt = 0 } = {},
): Promise<Exported> {
  let asked = 0;
  const client = {
    ask: ({ t, skip = 0 }: { readonly t: string; readonly skip?: number }) => {
      if (t === 'show_pack') return Promise.resolve({ t: 'pack', text: deflateRawSync(PACK) });
      asked += 1;
      if (asked === failsAt) return Promise.reject(new Error('the posture service is away'));
      if (asked === emptyAt) return Promise.resolve({ t: 'findings', findings: [], isCut: true });
      const findings = Array.from({ length: Math.min(PAGE, count - skip) }, (_, i) => ({
        ...{ ...FINDING, evidence: String(skip + i).padEnd(chars, 'x'), endpoints: 2 },
      }));
      return Promise.resolve({ t: 'findings', findings, isCut: skip + findings.length < count });
    },
  };
  const scan = { id: 'q1', state, createdAtMs: 0, pack: { id: 'own', version: '1.0.0', hash: 'a' } };
  const parts = { client, store: { findReadable: () => Promise.resolve(scan) }, byNum: () => undefined } as never;
  const operation = scanResultOperations(parts).find(({ id }) => id === operations.listFindings.id);
  const given = { principal: { org: 'acme', bound: [] }, params: { id: 'q1' }, query: { format } };
  const answer = (await operation?.handle({
    ...given,
    negotiate: (type: string) => type,
  } as never)) as never as Exported;
  return { ...answer, pages: () => asked };
}

async function textOf({ lines }: Exported): Promise<string> {
  const all: string[] = [];
  for await (const text of lines) all.push(text);
  return all.join('');
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heapAfterCollection = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

test('findings of a posture service of the version before have no exceptions, and are shown', async () => {
  const { body } = await exported(2, 'json');
  expect(body?.items).toMatchObject([{ check: 'one', exceptions: [] }, {}]);
  expect((await exported(PAGE + 1, 'json')).body?.isCut).toBe(true);
});

test.each(['ndjson', 'csv', 'sarif', 'ocsf'])(
  'an export of 60,000 findings as %s holds one page in memory, and all of them come out',
  async (format) => {
    const found = await exported(MANY, format, { chars: 1_000 });
    const before = heapAfterCollection();
    let [lines, chars, most] = [0, 0, 0];
    for await (const text of found.lines) {
      lines += 1;
      chars += text.length;
      if (lines % 20_000 === 0) most = Math.max(most, heapAfterCollection() - before);
    }
    expect(found.pages()).toBe(MANY / PAGE);
    expect(lines).toBeGreaterThanOrEqual(MANY);
    expect(chars).toBeGreaterThan(MANY * 1_000);
    // As one text it were 60 MB and more.
    expect(most).toBeLessThan(12_000_000);
  },
);

test('SARIF of 60,000 findings is one document, and one of none too', async () => {
  const sarif = JSON.parse(await textOf(await exported(MANY, 'sarif'))) as SarifLog;
  expect(sarif).toMatchObject({ version: '2.1.0', runs: [{ properties: { scan: 'q1' } }] });
  const results = sarif.runs[0]?.results ?? [];
  expect(new Set(results.map(({ properties }) => properties.evidence)).size).toBe(MANY);
  const none = JSON.parse(await textOf(await exported(0, 'sarif'))) as SarifLog;
  expect(none.runs).toMatchObject([{ results: [], tool: { driver: { rules: [{ id: 'one' }] } } }]);
});

interface SarifLog {
  readonly runs: readonly { readonly results: readonly { readonly properties: { readonly evidence: string } }[] }[];
}

test('events of OCSF have ids of their own over all pages', async () => {
  const lines = (await textOf(await exported(2 * PAGE + 1, 'ocsf'))).trimEnd().split('\n');
  const ids = lines.map((line) => (JSON.parse(line) as { metadata: { uid: string } }).metadata.uid);
  expect(new Set(ids).size).toBe(2 * PAGE + 1);
});

test('who reads slowly makes nobody read ahead', async () => {
  const found = await exported(MANY, 'ndjson');
  const reader = found.lines[Symbol.asyncIterator]();
  for (let line = 0; line < PAGE; line += 1) await reader.next();
  await new Promise((resolve) => setImmediate(resolve));
  expect(found.pages()).toBe(1);
  await reader.next();
  expect(found.pages()).toBe(2);
  await reader.return?.();
});

test('what cannot be read after the first page breaks the answer off', async () => {
  const found = await exported(MANY, 'ndjson', { failsAt: 3 });
  let lines = 0;
  const reading = async (): Promise<void> => {
    for await (const _line of found.lines) lines += 1;
  };
  await expect(reading()).rejects.toThrow('away');
  expect(lines).toBe(2 * PAGE);
});

test.each([1, 3])('a page without findings that is not the last breaks the answer off: page %i', async (emptyAt) => {
  const found = await exported(MANY, 'ndjson', { emptyAt });
  await expect(textOf(found)).rejects.toMatchObject({ code: 'internal' });
  expect(found.pages()).toBe(emptyAt);
  await expect(exported(MANY, 'ndjson', { emptyAt, state: 'running' })).rejects.toMatchObject({ code: 'internal' });
});

test('of a scan that runs all findings come, or none and the reason', async () => {
  const lines = (await textOf(await exported(25_000, 'ndjson', { state: 'running' }))).trimEnd().split('\n');
  expect(lines).toHaveLength(25_000);
  await expect(exported(50_001, 'ndjson', { state: 'running' })).rejects.toMatchObject({
    code: 'too_large',
    message: expect.stringContaining('more than 50000 findings'),
  });
});
