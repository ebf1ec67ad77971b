import { measureMetrics } from '@muster/agent/testing/measure-metrics';
import { STACK_OPTIONS, stackOptions } from '../fleet/bench-stack.js';
import { target } from '../measure/report.js';
import { runBench, timestamped, type BenchReport } from '../measure/run-bench.js';
import { quantile } from '../measure/statistics.js';
import { fleetMetrics } from './fleet-metrics.js';

const USAGE = `npm run bench:metrics -- [options]

  --part agent      what host metrics cost on this machine, measured as an agent does it
  --part fleet      N simulated endpoints at one sample a minute, some of them watched, queries beside (default: both)
  --seconds N       of each part (default 60)
  --agents N        simulated endpoints (default 15000)
  --watched N       endpoints that are watched at once (default 50)
  --gateways N      default 1
  --rate N          connections begun per second (default 1500)
  --tls             over TLS
  --profile DIR     let V8 write CPU profiles of the services to this folder`;

const OPTIONS = {
  ...STACK_OPTIONS,
  part: { type: 'string' },
  seconds: { type: 'string', default: '60' },
  watched: { type: 'string', default: '50' },
} as const;

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async (brokers, options) => {
    const seconds = Number(options.seconds);
    const parts: BenchReport[] = [];
    if (options.part !== 'fleet') parts.push(await agentPart(seconds));
    if (options.part !== 'agent') {
      const settings = { ...stackOptions(brokers, options), watched: Number(options.watched), seconds };
      parts.push(fleetReport(settings, await fleetMetrics(settings)));
    }
    return {
      name: timestamped('metrics'),
      document: Object.assign({}, ...parts.map(({ document }) => document)) as BenchReport['document'],
      head: parts.map(({ head }) => head).join('\n'),
      tables: parts.flatMap(({ tables }) => tables),
      targets: parts.flatMap(({ targets }) => targets),
    };
  },
});

async function agentPart(seconds: number): Promise<BenchReport> {
  const cost = await measureMetrics(seconds);
  return {
    head: `agent: this machine, ${cost.values} values with the detailed set`,
    document: { agent: cost },
    tables: [
      [
        ['standard set', `${cost.standardUs.toFixed(0)} µs`],
        ['detailed set', `${cost.detailedUs.toFixed(0)} µs`],
        ['a reading that is kept', `${cost.tickUs.toFixed(0)} µs`],
        ['unwatched at the real pace, of a core', `${(100 * cost.unwatchedShare).toFixed(2)} %`],
        ['a program that only wakes up once a second', `${(100 * cost.emptyShare).toFixed(2)} %`],
        ['keyframe', `${cost.keyframeBytes} B`],
        ['history', `${cost.historyBytes} B after ${cost.seconds} s`],
      ],
    ],
    targets: [
      ...target('agent unwatched, of a core', 100 * cost.unwatchedSteadyShare, 0.1, ' %'),
      ...target('agent watched, of a core', 100 * cost.watchedShare, 1, ' %'),
      ...target('agent watched, on the wire', cost.bytesPerSecond, 600, ' B/s'),
    ],
  };
}

function fleetReport(
  { agents, watched, seconds }: { readonly agents: number; readonly watched: number; readonly seconds: number },
  figures: Awaited<ReturnType<typeof fleetMetrics>>,
): BenchReport {
  const { oneMs, atOnceMs, asSamplesMs, atOnceCpu, turns, cpuShare, dropped, ...counts } = figures;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const drops = Object.entries(dropped).map(([name, count]) => [name, String(count)]);
  const worst = (kind: 'gateway' | 'telemetry'): number => quantile(turns[kind], 1);
  return {
    head: `fleet: ${agents} endpoints at a sample a minute, ${watched} watched, for ${seconds} s`,
    document: { fleet: { ...counts, oneMs, atOnceMs, asSamplesMs, atOnceCpu, cpuShare, dropped } },
    tables: [
      [
        ['samples', String(counts.samples)],
        ['of these seen live by viewers', String(counts.seenByViewers)],
        ['complete queries beside', String(counts.queries)],
        ['gateway, of a core', percent(cpuShare.gateway)],
        ['telemetry, of a core', percent(cpuShare.telemetry)],
        ['api, of a core', percent(cpuShare.api)],
        ['longest turn of the gateway', `${worst('gateway').toFixed(1)} ms`],
        ['longest turn of telemetry', `${worst('telemetry').toFixed(1)} ms`],
        ['full chart, one watch, slowest', `${quantile(oneMs, 1).toFixed(0)} ms`],
        [`full chart, ${watched} at once, median`, `${quantile(atOnceMs, 0.5).toFixed(0)} ms`],
        ...Object.entries(atOnceCpu).map(([name, ms]) => [
          `of these, processor time of ${name}`,
          `${ms.toFixed(0)} ms`,
        ]),
        [`the same with layout=samples, median`, `${quantile(asSamplesMs, 0.5).toFixed(0)} ms`],
        [`the same with layout=samples, slowest`, `${quantile(asSamplesMs, 1).toFixed(0)} ms`],
        ...drops,
      ],
    ],
    targets: [
      ...target('full chart, one watch (median)', quantile(oneMs, 0.5), 300, ' ms'),
      ...target(`full chart, ${watched} at once (slowest)`, quantile(atOnceMs, 1), 300, ' ms'),
      ...target(
        'dropped',
        Object.values(dropped).reduce((total, count) => total + count, 0),
        0,
        '',
      ),
      ...target('turns of the gateway, p99', quantile(turns.gateway, 0.99), 20, ' ms'),
      ...target('turns of telemetry, p99', quantile(turns.telemetry, 0.99), 20, ' ms'),
    ],
  };
}
