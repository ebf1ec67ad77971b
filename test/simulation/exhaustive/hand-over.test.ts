import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { PLANTED } from '../planted/faults.js';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const PLANT = fileURLToPath(new URL('../planted/plant.js', import.meta.url));

/** A process of its own: the search decides when what waits for a promise is done. */
function searched(
  args: readonly string[] = [],
  node: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...node, MAIN, ...args], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    encoding: 'utf8',
  });
  return { status, said: (stdout + stderr).replaceAll(/ in [\d.]+ s$/gm, '').trim() };
}

describe('sessions that move between three gateways, every order of what is under way', () => {
  it('keep their promises in every state that can be reached', () => {
    expect(searched()).toEqual({
      status: 0,
      said: [
        'journal of one command: 2002 states, 38038 steps',
        '2 endpoints, 1 of any: 336 states, 664 steps',
        '1 endpoints, 2 of "something new", "gives up": 3448 states, 11850 steps',
        '1 endpoints, 2 of "something new", "drains": 1984 states, 6475 steps',
      ].join('\n'),
    });
  });

  it.each(PLANTED.flatMap(({ name, isHandOver }, index) => (isHandOver === true ? [{ name, index }] : [])))(
    'show the shortest way to a state that breaks one, when the code is wrong: $name',
    ({ index }) => {
      const { status, said } = searched([], ['--import', PLANT], { MUSTER_PLANTED_FAULT: String(index) });
      expect([status, said]).toEqual([1, expect.stringContaining('NOT TRUE: ')]);
    },
  );
});
