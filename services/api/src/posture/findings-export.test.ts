import { expect, test } from '@jest/globals';
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
const PAGE = 10_000;

/** The export of a scan with so many findings. */
async function exported(count: number, format: 'ndjson' | 'json') {
  const client = {
    ask: ({ t, skip = 0 }: { readonly t: string; readonly skip?: number }) => {
      if (t === 'show_pack') return Promise.resolve({ t: 'pack', text: deflateRawSync(PACK) });
      const findings = Array<typeof FINDING>(Math.min(PAGE, count - skip)).fill(FINDING);
      return Promise.resolve({ t: 'findings', findings, isCut: skip + findings.length < count });
    },
  };
  const scan = { id: 'q1', pack: { id: 'own', version: '1.0.0', hash: 'a' } };
  const parts = { client, store: { findReadable: () => Promise.resolve(scan) }, byNum: () => undefined } as never;
  const operation = scanResultOperations(parts).find(({ id }) => id === operations.listFindings.id);
  const given = { principal: { org: 'acme', bound: [] }, params: { id: 'q1' }, query: { format } };
  return (await operation?.handle({ ...given, negotiate: (type: string) => type } as never)) as never as {
    readonly body?: { readonly items: readonly object[]; readonly isCut: boolean };
    readonly lines: AsyncIterable<string>;
  };
}

test('findings of a posture service of the version before have no exceptions, and are shown', async () => {
  const { body } = await exported(2, 'json');
  expect(body?.items).toMatchObject([{ check: 'one', exceptions: [] }, {}]);
});

test('an export holds all findings, or none and says that there are too many', async () => {
  let lines = 0;
  for await (const text of (await exported(25_000, 'ndjson')).lines) lines += text.split('\n').length - 1;
  expect(lines).toBe(25_000);
  await expect(exported(50_001, 'ndjson')).rejects.toMatchObject({
    code: 'too_large',
    message: expect.stringContaining('more than 50000 findings'),
  });
  expect((await exported(50_001, 'json')).body?.isCut).toBe(true);
});
