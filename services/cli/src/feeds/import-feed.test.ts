import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, inflateRawSync } from 'node:zlib';
import { afterAll, expect, test } from '@jest/globals';
import { LIMITS } from '@muster/protocol';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness();
const folder = mkdtempSync(join(tmpdir(), 'muster-feeds-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Part {
  readonly data: string;
  readonly refused: number;
  readonly faults: readonly string[];
}

/** What arrived, in all parts. */
async function imported(path: string) {
  const refused = { count: 0 };
  api.json('POST /v1/feeds/f/uploads', { upload: 'u' }, 201);
  api.json('PUT /v1/feeds/f/parts', {});
  api.json(
    'POST /v1/feeds/f/versions',
    {
      ...{ name: 'f', kind: 'osv', records: 1, withdrawn: 0, refused: 0, faults: [], ecosystems: 1, bytes: 1 },
      ...{ upload: 'u', importedAt: '2026-11-30T10:00:00.000Z', importedBy: { id: 'a', name: 'A' } },
    },
    201,
  );
  await muster(['feed', 'import', path, '--name', 'f']);
  const parts = api.requests.filter(({ method }) => method === 'PUT').map(({ body }) => body as Part);
  const records = parts.flatMap(({ data }) =>
    inflateRawSync(Buffer.from(data, 'base64'))
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== ''),
  );
  refused.count = parts.reduce((sum, part) => sum + part.refused, 0);
  return { records, refused: refused.count, faults: parts.flatMap(({ faults }) => faults) };
}

const record = (id: string, more: object = {}): string =>
  JSON.stringify({ id, modified: '2026-11-01T00:00:00Z', ...more });

test('packed files in a folder are read, and links are told', async () => {
  const mirror = join(folder, 'mirror');
  mkdirSync(join(mirror, 'deep'), { recursive: true });
  writeFileSync(join(mirror, 'a.json'), record('A'));
  writeFileSync(join(mirror, 'deep', 'b.json.gz'), gzipSync(record('B')));
  writeFileSync(join(mirror, 'README.md'), 'no records');
  symlinkSync(join(mirror, 'a.json'), join(mirror, 'c.json'));
  const { records, refused, faults } = await imported(mirror);
  expect(records.map((text) => (JSON.parse(text) as { id: string }).id).toSorted()).toEqual(['A', 'B']);
  expect({ refused, faults }).toEqual({ refused: 1, faults: [expect.stringContaining('a link')] });
});

test('a last record that is too large when it is compressed is told', async () => {
  // Versions that do not compress.
  const versions = Array.from({ length: 4_000 }, () => randomBytes(190).toString('base64'));
  const large = record('L', { affected: [{ package: { ecosystem: 'npm', name: 'a' }, versions }] });
  expect(large.length).toBeGreaterThan(LIMITS.feedPartBytes);
  const path = join(folder, 'large.json');
  writeFileSync(path, `${record('A')}\n${large}`);
  const { records, refused, faults } = await imported(path);
  expect(records).toHaveLength(1);
  expect({ refused, faults }).toEqual({ refused: 1, faults: [expect.stringContaining('too large')] });
});
