import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { PLANTED } from '../planted/faults.js';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const PLANT = fileURLToPath(new URL('../planted/plant.js', import.meta.url));
/** In `npm test`; `npm run simulate:faults` runs more. On two cores that have nothing else to do they take less than two minutes. */
const HISTORIES = 2_000;
const PATIENCE_MS = 1_200_000;

/** A process of its own: a history replaces the globals of its process. */
function simulate(args: readonly string[], node: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...node, MAIN, ...args], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    ...{ encoding: 'utf8', timeout: PATIENCE_MS, maxBuffer: 64 * 1024 * 1024 },
  });
  return { status, stderr, stdout };
}

/** Without how long it took on this machine. */
const untimed = (text: string): string => text.replace(/ in [\d.]+ s$/m, '');

describe('histories of a simulated world', () => {
  it('are the same to the byte for the same seed', () => {
    const [first, second] = [0, 1].map(() => simulate(['--seed', '4711', '--histories', '3', '--timeline']));
    expect(first?.stdout).toContain('What happened');
    // Who said what to whom.
    expect(first?.stdout).toMatch(/gateway-\d +→ e\d: query$/m);
    expect(untimed(second?.stdout ?? '')).toBe(untimed(first?.stdout ?? ''));
  });

  it(
    `break no promise: ${HISTORIES} of fixed seeds`,
    () => {
      const { status, stdout, stderr } = simulate(['--seed', '1', '--histories', String(HISTORIES)]);
      expect([status, stdout + stderr]).toEqual([
        0,
        expect.stringContaining(`${HISTORIES} histories from seed 1, 0 broke`),
      ]);
    },
    PATIENCE_MS,
  );

  it('show a fault that is put into the code, with the promise that it breaks', () => {
    const index = PLANTED.findIndex(({ name }) => name.startsWith('nobody ends the queries'));
    const planted = { MUSTER_PLANTED_FAULT: String(index) };
    const { status, stdout } = simulate(['--seed', '1', '--histories', '200'], ['--import', PLANT], planted);
    expect([status, stdout]).toEqual([1, expect.stringContaining('NOT TRUE: a scan ends, complete or interrupted')]);
  });
});
