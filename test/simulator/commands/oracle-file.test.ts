import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readCommandLine } from '../command-line.js';
import { Oracle } from './oracle.js';
import { OracleFile, readOracleFiles } from './oracle-file.js';

describe('an oracle’s file', () => {
  it('has what ran, as it is known now, and is written when there is news', () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-oracle-'));
    try {
      const [oracle, path] = [new Oracle(), join(folder, 'runs.json')];
      const file = new OracleFile(oracle, path);
      const begin = (number: number) =>
        oracle.began({ agentId: 'a1', command: 'c1', number, action: 'dns.flush', dryRun: false });
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

describe('the command line of the simulator', () => {
  const read = (...args: string[]) => {
    const line = readCommandLine(['--gateway=ws://g:1', '--enroll-secret=s', '--org=acme', ...args], '/');
    return line === 'help' ? undefined : line;
  };

  it('says what commands come to on the endpoints, and where to keep what ran', () => {
    const args = ['--run-ms=5-50', '--failing-runs=0.1', '--crashing=0.2', '--restart-ms=300', '--oracle=runs.json'];
    expect(read(...args)).toMatchObject({
      oracleFile: 'runs.json',
      fleet: { commands: { capable: true, runMs: [5, 50], failing: 0.1, crashing: 0.2, restartMs: 300 } },
    });
    expect(read('--no-commands', '--run-ms=7')?.fleet.commands).toMatchObject({ capable: false, runMs: [7, 7] });
    expect(() => read('--run-ms=fast')).toThrow(/--run-ms/);
  });
});
