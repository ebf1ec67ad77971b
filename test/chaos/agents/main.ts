import { parseArgs } from 'node:util';
import { AGENT_FAULTS, type AgentFault, agentFaults } from './agent-faults.js';
import { runAgentRound } from './run-agent-round.js';

const USAGE = `npm run chaos:agents -- [options]

  --minutes N     how long faults are injected (default 30)
  --seed N        same seed, same faults in the same order (default: the time)
  --fault TEXT    only this fault, again and again; may be repeated: ${AGENT_FAULTS.join(', ')}
  --agents N      how many real agents (default 4)`;

const OPTIONS = {
  minutes: { type: 'string', default: '30' },
  seed: { type: 'string', default: String(Math.floor(Date.now() / 1_000)) },
  fault: { type: 'string', multiple: true },
  agents: { type: 'string', default: '4' },
  help: { type: 'boolean', default: false },
} as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const seed = Number(values.seed);
  console.log(`seed ${seed}`);
  const { violations, commands, effects } = await runAgentRound({
    ...{ endpoints: Number(values.agents), seed, forMs: Number(values.minutes) * 60_000 },
    faults: values.fault === undefined ? agentFaults(seed) : chosen(values.fault.map(readFault)),
    withAudit: true,
    print: (text) => console.log(text),
  });
  console.log(`${commands} commands, ${effects} effects, ${violations.length} violations`);
  return violations.length === 0 ? 0 : 1;
}

function readFault(text: string): AgentFault {
  const fault = AGENT_FAULTS.find((one) => one === text);
  if (fault === undefined) throw new Error(`"${text}" is none of ${AGENT_FAULTS.join(', ')}`);
  return fault;
}

function* chosen(faults: readonly AgentFault[]): Generator<AgentFault> {
  for (;;) yield* faults;
}

process.exitCode = await main();
