import { parseArgs } from 'node:util';
import { isPlanned, parseFault } from './faults/fault.js';
import { schedule } from './faults/schedule.js';
import { runRound, type RoundOptions } from './run-round.js';
import type { Front } from './system/chaos-system.js';

const USAGE = `npm run chaos -- [options]

  --minutes N     how long faults are injected (default 30)
  --seed N        same seed, same faults in the same order (default: the time)
  --fault TEXT    instead of a schedule, this fault; may be repeated: "freeze nats 20", "kill query-1 + freeze redis 6",
                  "drain gateway-1"
  --agents N      how many simulated endpoints (default 300)
  --patience X    what bounds of time are multiplied by (default 1)
  --front WHICH   how endpoints find the two gateways: haproxy, list (default: one of these, by the seed), passthrough, tcp or
                  each (a third of them by haproxy, passthrough and tcp)
  --mode MODE     live, poll or mixed: the channel of the endpoints (default live)
  --record FILE   where the record goes (default: chaos-SEED.ndjson)`;

const OPTIONS = {
  minutes: { type: 'string', default: '30' },
  seed: { type: 'string', default: String(Math.floor(Date.now() / 1_000)) },
  fault: { type: 'string', multiple: true },
  agents: { type: 'string', default: '300' },
  patience: { type: 'string', default: '1' },
  front: { type: 'string' },
  mode: { type: 'string', default: 'live' },
  record: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

const RESUMED_AFTER_MS = 500;

/** Of a round in which everything leaves in good order: no question is in a hurry, one gateway is of each transport. */
function plannedOptions(agents: number): Pick<RoundOptions, 'load' | 'gatewayEnv' | 'secondGatewayEnv'> {
  const spreadS = 5 + Math.ceil(agents / 200);
  return {
    load: { askers: 3, timeoutMs: [30_000, 40_000] },
    gatewayEnv: {
      MUSTER_STOP_TIMEOUT: `${spreadS + 80}s`,
      MUSTER_GATEWAY_DRAIN_SPREAD: `${spreadS}s`,
      MUSTER_GATEWAY_DRAIN_GRACE: '60s',
    },
    secondGatewayEnv: { MUSTER_GATEWAY_TRANSPORT: 'ws' },
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const seed = Number(values.seed);
  const front = (values.front ?? (seed % 2 === 0 ? 'haproxy' : 'list')) as Front;
  const recordFile = values.record ?? `chaos-${seed}.ndjson`;
  console.log(`seed ${seed}, gateways by ${front}, record in ${recordFile}`);
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      abort.abort();
      setTimeout(() => process.exit(130), RESUMED_AFTER_MS);
    });
  }
  const faults = values.fault?.map(parseFault);
  const { violations } = await runRound({
    ...{ agents: Number(values.agents), seed, front, recordFile, mode: values.mode as 'live' | 'poll' | 'mixed' },
    ...(faults?.every(isPlanned) === true ? plannedOptions(Number(values.agents)) : {}),
    faults: faults ?? schedule(seed),
    forMs: Number(values.minutes) * 60_000,
    patience: Number(values.patience),
    signal: abort.signal,
    print: (text) => console.log(text),
  });
  return violations.length === 0 ? 0 : 1;
}

process.exitCode = await main();
