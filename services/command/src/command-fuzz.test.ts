import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { auditViolations } from './testing/audit-oracle.js';
import { makeTestKeys, type TestKeys } from './testing/command-harness.js';
import { FuzzRun } from './testing/fuzz-run.js';

let keys: TestKeys;
let folder: string;
beforeAll(async () => {
  keys = await makeTestKeys();
  folder = await mkdtemp(join(tmpdir(), 'muster-fuzz-'));
  await writeFile(join(folder, 'policy.json'), JSON.stringify({ approval: [{ actions: ['dns.*'] }] }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SEEDS = Number(process.env['MUSTER_FUZZ_SEEDS'] ?? 50);
const FIRST = Number(process.env['MUSTER_FUZZ_FIRST'] ?? 1);

test('with any faults of the network every target ends once, nothing runs twice, and what was never sent never runs; the audit has each end once', async () => {
  let commands = 0;
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const run = new FuzzRun(seed, keys, join(folder, 'policy.json'));
    try {
      await run.run();
      expect({ seed, violations: run.violations() }).toEqual({ seed, violations: [] });
      await run.harness.pass(5_000);
      const audit = auditViolations(run.folds, await run.harness.audit());
      expect({ seed, audit }).toEqual({ seed, audit: [] });
      commands += run.folds.size;
    } finally {
      await run.harness.close();
    }
  }
  expect(commands).toBeGreaterThan(SEEDS * 10);
}, 600_000);
