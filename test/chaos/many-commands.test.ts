import { expect, it } from '@jest/globals';
import { parseFault } from './faults/fault.js';
import { runRound } from './run-round.js';

const FAULTS = ['kill command-1', 'kill gateway-1', 'kill redis', 'kill nats', 'kill command-1 + kill command-2'];

it('200 commands a second to 2000 endpoints, some of which crash, while each program is killed once: every accepted one ends, and nothing runs twice', async () => {
  const { violations, orders, faults } = await runRound({
    ...{ agents: 2_000, seed: 1, front: 'list', faults: FAULTS.map(parseFault), forMs: 120_000, patience: 4 },
    load: { askers: 0, ordersPerSecond: 200, ordersAtOnce: 2_000 },
    // Some crash between run and report, and start again with their history.
    commands: { crashing: 0.02, failing: 0.05 },
    print: (text) => process.stderr.write(`${text}\n`),
  });
  expect(violations).toEqual([]);
  // A busy machine orders fewer; each fault must have hit some.
  expect(faults).toBe(FAULTS.length);
  expect(orders).toBeGreaterThan(400);
}, 400_000);
