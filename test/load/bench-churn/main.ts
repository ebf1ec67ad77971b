import { SERVICES } from '../bench-scale/roles.js';
import { target } from '../measure/report.js';
import { runBench, timestamped } from '../measure/run-bench.js';
import { trendOf } from '../measure/trend.js';
import { runChurn, type ChurnFigures, type StormFigures } from './run-churn.js';

const USAGE = `npm run bench:churn -- [options]

  --agents N     simulated endpoints (default 3000)
  --minutes N    default 30
  --share P      part of the fleet that leaves in each minute, and comes again after 15 s (default 0.1)
  --tls          endpoints connect over TLS
  --storm        kill all gateways at the end; they are started again at once`;

const OPTIONS = {
  agents: { type: 'string', default: '3000' },
  minutes: { type: 'string', default: '30' },
  share: { type: 'string', default: '0.1' },
  tls: { type: 'boolean', default: false },
  storm: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const TENTH_S = 10;
/** Beyond the time that connecting all takes. */
const ALL_S = 30;

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async (brokers, { agents, minutes, share, tls, storm }) => {
    const count = Number(agents);
    const options = { agents: count, minutes: Number(minutes), share: Number(share), tls, storm };
    const figures = await runChurn(brokers, options);
    return {
      name: timestamped('churn'),
      document: { options, figures },
      head: `${count} endpoints, of which ${Number(share) * 100} % leave and come in each of ${minutes} minutes${tls ? ', TLS' : ''}`,
      tables: [memoryTable(figures)],
      targets: [
        ...target(
          'sessions double or lost, worst minute',
          worst(figures, ({ sessions }) => Math.abs(sessions - count)),
          0,
          '',
        ),
        ...target(
          'endpoints not asked or not answered, worst',
          worst(figures, ({ answered }) => count - answered),
          0,
          '',
        ),
        ...target(
          'services whose memory grows',
          SERVICES.filter((one) => !trendOfService(figures, one).isFlat).length,
          0,
          '',
        ),
        ...(figures.storm === undefined ? [] : stormTargets(figures.storm)),
      ],
    };
  },
});

function worst({ minutes }: ChurnFigures, of: (minute: ChurnFigures['minutes'][number]) => number): number {
  return Math.max(...minutes.map(of));
}

function stormTargets({ tenthBackMs, allBackMs, connectMs }: StormFigures) {
  const seconds = (ms: number | undefined): number => (ms ?? Number.POSITIVE_INFINITY) / 1_000;
  return [
    ...target('storm: a tenth is back', seconds(tenthBackMs), TENTH_S, ' s'),
    ...target('storm: all are back', seconds(allBackMs), Number((connectMs / 1_000 + ALL_S).toFixed(1)), ' s'),
  ];
}

/** The first minutes load code and fill caches. */
function trendOfService({ minutes }: ChurnFigures, service: (typeof SERVICES)[number]) {
  const values = minutes.map(({ bytes }) => bytes[service] / 2 ** 10);
  return trendOf(values.slice(Math.floor(values.length / 3)));
}

function memoryTable(figures: ChurnFigures): string[][] {
  const mebibytes = (bytes: number | undefined): string => ((bytes ?? Number.NaN) / 2 ** 20).toFixed(1);
  return [
    ['MiB', 'first minute', 'last minute', 'KiB a minute', 'its noise', 'after the storm'],
    ...SERVICES.map((service) => {
      const { slope, error } = trendOfService(figures, service);
      const [first, last] = [figures.minutes[0], figures.minutes.at(-1)];
      const measured = [first, last, figures.storm].map((one) => mebibytes(one?.bytes[service]));
      return [
        service,
        measured[0] ?? '',
        measured[1] ?? '',
        slope.toFixed(1),
        `± ${error.toFixed(1)}`,
        measured[2] ?? '',
      ];
    }),
  ];
}
