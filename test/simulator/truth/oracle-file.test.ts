import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

import { Oracle, OracleFile, readOracleFiles } from './oracle.js';

describe('the file of an oracle', () => {
  it('has all runs with their latest results, and is written only after a change', () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-oracle-'));
    try {
      const [oracle, path] = [new Oracle(), join(folder, 'runs.json')];
      const file = new OracleFile(oracle, path);
      const begin = (number: number) =>
        oracle.started({ agentId: 'a1', command: 'c1', number, action: 'dns.flush', dryRun: false });
      const [first] = [begin(1), begin(2)];
      file.write();
      expect(readOracleFiles(path).map(({ number, result }) => [number, result])).toEqual([
        [1, 'running'],
        [2, 'running'],
      ]);
      oracle.ended(first, 'succeeded');
      file.write();
      expect(readOracleFiles(path, path).map(({ result }) => result)).toEqual([
        'succeeded',
        'running',
        'succeeded',
        'running',
      ]);
      rmSync(path);
      file.write();
      expect(() => readFileSync(path)).toThrow(/ENOENT/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
