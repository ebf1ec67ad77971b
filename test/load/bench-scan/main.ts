import { runBench, timestamped } from '../measure/run-bench.js';
import { STACK_OPTIONS, stackOptions } from '../fleet/bench-stack.js';
import { packOf, runScans, type ScanFigures } from './run-scans.js';
import { target } from '../measure/report.js';
import { quantile } from '../measure/statistics.js';

const USAGE = `npm run bench:scan -- [options]

  --agents N        simulated endpoints (default 15000)
  --checks N        checks of the pack (default 60)
  --unique N        checks whose evidence is another one on each endpoint (default 1)
  --repetitions N   scans of endpoints that have the pack (default 5)
  --gateways N      default 1
  --rate N          connections begun per second (default 1500)
  --tls             over TLS
  --profile DIR     let V8 write CPU profiles of the services to this folder`;

const OPTIONS = {
  ...STACK_OPTIONS,
  checks: { type: 'string', default: '60' },
  unique: { type: 'string', default: '1' },
  repetitions: { type: 'string', default: '5' },
} as const;

/** What the issue of a scan is: seconds, with everything on one machine. */
const LIMIT_MS = 10_000;

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async (brokers, options) => {
    const stack = stackOptions(brokers, options);
    const [checks, unique] = [Number(options.checks), Number(options.unique)];
    const figures = await runScans({
      ...stack,
      pack: packOf(checks),
      unique,
      repetitions: Number(options.repetitions),
    });
    const { agents, gateways, tls } = stack;
    return {
      ...{ name: timestamped('scan'), document: { agents, gateways, tls, checks, unique, figures } },
      head: `${agents} endpoints × ${checks} checks, ${unique} of them with evidence of each endpoint alone, ${gateways} gateways${tls ? ', TLS' : ''}`,
      tables: [rows(figures)],
      targets: [
        ...target('first scan, with the pack', figures.first.countedMs, LIMIT_MS, ' ms'),
        ...target('slowest later scan', Math.max(...figures.later.map(({ countedMs }) => countedMs)), LIMIT_MS, ' ms'),
      ],
    };
  },
});

function rows({ first, later, memoryMb }: ScanFigures): string[][] {
  const ms = (value: number): string => value.toFixed(0);
  const median = (of: (one: ScanFigures['first']) => number): string => ms(quantile(later.map(of), 0.5));
  return [
    ['', 'endpoints done, ms', 'outcomes counted, ms', 'bytes on the broker', 'distinct outcomes'],
    ['first, with the pack', ms(first.endedMs), ms(first.countedMs), ms(first.brokerBytes), ms(first.groups)],
    [
      'later, median',
      median((one) => one.endedMs),
      median((one) => one.countedMs),
      median((one) => one.brokerBytes),
      median((one) => one.groups),
    ],
    ['memory after, MB', ...Object.entries(memoryMb).map(([name, mb]) => `${name} ${mb.toFixed(0)}`)],
  ];
}
