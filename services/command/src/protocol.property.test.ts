import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makeLabKeys, type LabKeys } from './testing/command-lab.js';
import { Storm } from './testing/storm.js';

let keys: LabKeys;
let folder: string;
beforeAll(async () => {
  keys = await makeLabKeys();
  folder = await mkdtemp(join(tmpdir(), 'muster-storm-'));
  await writeFile(join(folder, 'policy.json'), JSON.stringify({ approval: [{ actions: ['dns.*'] }] }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SEEDS = Number(process.env['MUSTER_STORM_SEEDS'] ?? 50);
const FIRST = Number(process.env['MUSTER_STORM_FIRST'] ?? 1);

test('in any weather every target ends once, nothing runs twice, and what was never sent never ran', async () => {
  let commands = 0;
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const storm = new Storm(seed, keys, join(folder, 'policy.json'));
    try {
      await storm.run();
      expect({ seed, faults: storm.faults() }).toEqual({ seed, faults: [] });
      commands += storm.commands;
    } finally {
      await storm.lab.close();
    }
  }
  expect(commands).toBeGreaterThan(SEEDS * 10);
}, 240_000);
