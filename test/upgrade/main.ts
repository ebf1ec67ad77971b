import { parseArgs } from 'node:util';
import { parseFault } from '../chaos/faults/fault.js';
import { runRound } from '../chaos/run-round.js';
import { previousVersion } from './previous-version.js';
import { crossRealAgents } from './real-agents.js';

const USAGE = `npm run test:upgrade -- [options]

  --agents N      simulated endpoints, half of each version (default 300)
  --patience X    what bounds of time are multiplied by (default 3)
  --seed N        of questions and orders (default 1)
  --parts A,B     only these, in this order (default: all)
  --minutes N     nothing is replaced after so long (default 60)
  --skip-agents   without the real agents`;

const OPTIONS = {
  agents: { type: 'string', default: '300' },
  patience: { type: 'string', default: '3' },
  seed: { type: 'string', default: '1' },
  parts: { type: 'string' },
  minutes: { type: 'string', default: '60' },
  'skip-agents': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

/** The order of docs/operations.md. */
const PARTS = [
  'query-1',
  'query-2',
  'command-1',
  'command-2',
  'telemetry-1',
  'posture-1',
  'gateway-1',
  'gateway-2',
  'api-1',
];
/** Nothing is in a hurry to end: what runs may end first. */
const STOP = { MUSTER_STOP_TIMEOUT: '70s' };
const ENV = {
  query: { ...STOP, MUSTER_QUERY_DRAIN: '60s' },
  command: STOP,
  telemetry: STOP,
  posture: STOP,
  // It waits so long for open streams; their viewers resume.
  api: { MUSTER_STOP_TIMEOUT: '15s' },
};
const GATEWAY_ENV = { ...STOP, MUSTER_GATEWAY_DRAIN_SPREAD: '6s', MUSTER_GATEWAY_DRAIN_GRACE: '30s' };

/** `npm run test:upgrade`: ends with 1 when the oracle found something. */
async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const print = (text: string): void => console.log(text);
  const { commit, folder } = previousVersion();
  print(`from ${commit} to the working tree`);
  if (!values['skip-agents']) {
    const orders = await crossRealAgents(folder, ({ gateway, agents }) =>
      print(`gateway ${gateway}, real agents ${agents.join(' and ')}: both live, answered, one order each succeeded`),
    );
    print(`${orders} orders to real agents, each took effect once`);
  }
  const parts = values.parts?.split(',') ?? PARTS;
  const planned = [
    ...parts.map((part) => `upgrade ${part}`),
    ...parts.toReversed().map((part) => `rollback ${part}`),
  ].map(parseFault);
  const { violations, faults } = await runRound({
    ...{ agents: Number(values.agents), seed: Number(values.seed), front: 'list', from: folder },
    ...{
      faults: planned,
      forMs: Number(values.minutes) * 60_000,
      env: ENV,
      gatewayEnv: GATEWAY_ENV,
      patience: Number(values.patience),
      print,
    },
    load: { askers: 3, timeoutMs: [30_000, 40_000] },
    recordFile: 'upgrade.ndjson',
  });
  if (faults !== planned.length) print(`NOT ALL: ${faults} of ${planned.length} programs were replaced`);
  return violations.length === 0 && faults === planned.length ? 0 : 1;
}

process.exitCode = await main();
