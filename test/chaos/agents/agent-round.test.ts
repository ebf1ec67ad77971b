import { expect, it } from '@jest/globals';
import { AGENT_FAULTS } from './agent-faults.js';
import { runAgentRound } from './run-agent-round.js';

it('real agents under kills, full disks, damaged histories, jumping clocks and clones: no command takes effect twice, and its end says what it did', async () => {
  const print = (text: string): void => void process.stderr.write(`${text}\n`);
  const { violations, commands, effects } = await runAgentRound({
    ...{ endpoints: 3, seed: 12, faults: AGENT_FAULTS, forMs: 180_000, withAudit: true, print },
  });
  expect(violations).toEqual([]);
  expect(commands).toBeGreaterThan(AGENT_FAULTS.length * 2);
  expect(effects).toBeGreaterThan(commands / 2);
}, 480_000);
