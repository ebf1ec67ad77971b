import { expect, it } from '@jest/globals';
import { parseFault } from './faults/fault.js';
import { runRound } from './run-round.js';

/** Each program and each broker once, and what shows most: what outlasts a lease, what is frozen, what is forgotten. */
const FAULTS = [
  'kill query-1',
  'freeze nats 17',
  'kill gateway-1',
  'freeze query-2 8',
  'freeze gateway-2 17',
  'kill command-1',
  'freeze redis 6',
  'kill query-1 + kill query-2',
  'kill nats 1',
  'empty redis',
  'kill api-1',
];

// `npm run chaos` makes longer rounds of the same, with faults by a seed and bounds of time without patience.
it('whatever dies or hangs: what callers are told is true, and what was accepted is done', async () => {
  const violations = await runRound({
    ...{ agents: 300, seed: 1, front: 'list', faults: FAULTS.map(parseFault), forMs: 170_000, patience: 4 },
    print: (text) => process.stderr.write(`${text}\n`),
  });
  expect(violations).toEqual([]);
}, 400_000);
