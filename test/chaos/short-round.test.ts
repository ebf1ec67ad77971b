import { expect, it } from '@jest/globals';
import { parseFault } from './faults/fault.js';
import { runRound } from './run-round.js';

/** What shows most, first: a busy machine comes to fewer of them. What outlasts a lease, what is frozen, killed and forgotten. */
const FAULTS = [
  'freeze nats 17',
  'kill query-1',
  'freeze query-2 6',
  'kill gateway-1',
  'kill command-1',
  'freeze gateway-2 17',
  'freeze redis 6',
  'kill query-1 + kill query-2',
  'kill nats 1',
  'empty redis',
];

// `npm run chaos` makes longer rounds of the same, with faults by a seed and bounds of time without patience.
it('whatever dies or hangs: what callers are told is true, and what was accepted is done', async () => {
  const { violations, questions, orders, faults } = await runRound({
    ...{ agents: 300, seed: 1, front: 'list', faults: FAULTS.map(parseFault), forMs: 150_000, patience: 4 },
    print: (text) => process.stderr.write(`${text}\n`),
  });
  expect(violations).toEqual([]);
  // It proves nothing when nobody asked.
  expect(faults).toBeGreaterThanOrEqual(3);
  expect(questions).toBeGreaterThan(50);
  expect(orders).toBeGreaterThan(300);
}, 600_000);
