import { target } from '../measure/report.js';
import { runBench, timestamped } from '../measure/run-bench.js';
import { loseGateways, type Loss } from './lose-gateways.js';

const USAGE = `npm run bench:return -- [options]

  --agents N     simulated endpoints on two gateways (default 3000)
  --rounds N     how often a gateway is lost (default 5)
  --hang         it is frozen, not killed
  --balancer     behind HAProxy instead of a list of URLs
  --plain        without TLS
  --rest S       seconds between two rounds (default 35)`;

const OPTIONS = {
  agents: { type: 'string', default: '3000' },
  rounds: { type: 'string', default: '5' },
  hang: { type: 'boolean', default: false },
  balancer: { type: 'boolean', default: false },
  plain: { type: 'boolean', default: false },
  rest: { type: 'string', default: '35' },
  help: { type: 'boolean', default: false },
} as const;

const MOST_S = 5;
const ALL_S = 15;
const HUNG_S = 35;

const seconds = (ms: number | undefined): string => (ms === undefined ? 'never' : (ms / 1_000).toFixed(1));
/** The longest of all rounds, in seconds. */
const longest = (losses: readonly Loss[], share: 'most' | 'all'): number =>
  Math.max(...losses.map(({ backMs }) => (backMs[share] ?? Number.POSITIVE_INFINITY) / 1_000));

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async (brokers, { agents, rounds, hang, balancer, plain, rest }) => {
    const options = { agents: Number(agents), rounds: Number(rounds), hang, balancer, tls: !plain };
    const losses = await loseGateways(brokers, { ...options, restMs: Number(rest) * 1_000 });
    const rows = losses.map(({ lost, backMs: { half, most, nearlyAll, all }, cpuMs }) => [
      String(lost),
      ...[half, most, nearlyAll, all].map(seconds),
      ...[cpuMs.gateway, cpuMs.endpoint].map((ms) => ms.toFixed(2)),
    ]);
    const all = longest(losses, 'all');
    return {
      name: timestamped('return'),
      document: { options, losses },
      head: `${agents} endpoints on two gateways, one of which is ${hang ? 'frozen' : 'killed'}: seconds until they are back`,
      tables: [[['lost', '50 %', '95 %', '99 %', 'all', 'gateway ms', 'endpoint ms'], ...rows]],
      targets: hang
        ? target('all are back', all, HUNG_S, 's')
        : [
            ...target('95 % are back', longest(losses, 'most'), MOST_S, 's'),
            ...target('all are back', all, ALL_S, 's'),
          ],
    };
  },
});
