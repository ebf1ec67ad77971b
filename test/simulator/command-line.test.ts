import { describe, expect, it } from '@jest/globals';
import { readCommandLine } from './command-line.js';

describe('the command line of the simulator', () => {
  const read = (...args: string[]) => {
    const line = readCommandLine(['--gateway=ws://g:1', '--enroll-secret=s', '--org=acme', ...args], '/');
    return line === 'help' ? undefined : line;
  };

  it('configures how runs of commands end, and the file of the oracle', () => {
    const args = ['--run-ms=5-50', '--failing-runs=0.1', '--crashing=0.2', '--restart-ms=300', '--oracle=runs.json'];
    expect(read(...args)).toMatchObject({
      oracleFile: 'runs.json',
      fleet: { commands: { capable: true, runMs: [5, 50], failing: 0.1, crashing: 0.2, restartMs: 300 } },
    });
    expect(read('--no-commands', '--run-ms=7')?.fleet.commands).toMatchObject({ capable: false, runMs: [7, 7] });
    expect(() => read('--run-ms=fast')).toThrow(/--run-ms/);
  });
});
