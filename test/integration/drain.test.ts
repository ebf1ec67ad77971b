import { expect, it } from '@jest/globals';
import { parseFault } from '../chaos/faults/fault.js';
import { runRound } from '../chaos/run-round.js';

/** Both gateways leave once, one on each transport. */
const DRAINS = ['drain gateway-1', 'drain gateway-2'];

// `npm run test:drain` does the same with 2,000 endpoints.
it('a gateway that leaves behind HAProxy in both modes and a plain TCP balancer cuts nobody and loses no answer', async () => {
  const { violations, questions, commands, faults } = await runRound({
    ...{ agents: 150, seed: 1, front: 'each', faults: DRAINS.map(parseFault), forMs: 240_000, patience: 10 },
    load: { askers: 2, commandsPerSecond: 5, timeoutMs: [60_000, 60_000] },
    gatewayEnv: {
      MUSTER_STOP_TIMEOUT: '100s',
      MUSTER_GATEWAY_DRAIN_SPREAD: '4s',
      MUSTER_GATEWAY_DRAIN_GRACE: '80s',
    },
    secondGatewayEnv: { MUSTER_GATEWAY_TRANSPORT: 'ws' },
    print: (text) => process.stderr.write(`${text}\n`),
  });
  expect(violations).toEqual([]);
  expect(faults).toBe(DRAINS.length);
  // It proves nothing when nobody asked.
  expect(questions).toBeGreaterThan(5);
  expect(commands).toBeGreaterThan(20);
}, 600_000);
