import { target, type Target } from '../measure/report.js';
import type { BenchReport } from '../measure/run-bench.js';
import { type Quantiles, quantiles } from '../measure/statistics.js';
import type { CommandFigures } from './run-commands.js';

export interface CommandBenchFigures extends CommandFigures {
  readonly agents: number;
  readonly gateways: number;
  readonly tls: boolean;
  readonly requestMs: readonly number[];
}

export interface CommandSummary {
  readonly request: Quantiles;
  readonly singleAccepted: Quantiles;
  readonly answered: Quantiles;
  readonly single: Quantiles;
  readonly besideQueries: Quantiles;
  /** Processor time of the gateways for each endpoint, in microseconds. */
  readonly gatewayUs: { readonly command: number; readonly query: number };
  readonly wideAcceptedMs: number;
  readonly wideReachedMs: number;
  readonly wideEndedMs: number;
  readonly targets: readonly Target[];
}

export function summarize(figures: CommandBenchFigures): CommandSummary {
  const { agents, requestMs, answeredMs, singles, wide, cpuMs, queryCpuMs } = figures;
  const besideQueries = quantiles(figures.besideQueriesMs);
  const usOf = (use: CommandFigures['cpuMs']): number => ((use['gateway'] ?? Number.NaN) * 1_000) / agents;
  const gatewayUs = { command: usOf(cpuMs), query: usOf(queryCpuMs) };
  const answered = quantiles(answeredMs);
  const single = quantiles(singles.map(({ endedMs }) => endedMs));
  // The slowest, not the median: the target is a bound.
  const worst = (pick: (times: CommandFigures['wide'][number]) => number): number => Math.max(...wide.map(pick));
  const wideAcceptedMs = worst(({ acceptedMs }) => acceptedMs);
  const wideReachedMs = worst(({ reachedMs }) => reachedMs);
  return {
    request: quantiles(requestMs),
    singleAccepted: quantiles(singles.map(({ acceptedMs }) => acceptedMs)),
    answered,
    single,
    besideQueries,
    gatewayUs,
    wideAcceptedMs,
    wideReachedMs,
    wideEndedMs: worst(({ endedMs }) => endedMs),
    targets: [
      ...target('gateway, processor time for each target of a command to all', gatewayUs.command, 40, ' µs'),
      ...target('one endpoint, API → agent → API, p99', answered.p99, 15, ' ms'),
      ...target('the same while all answer raw queries, p99', besideQueries.p99, 40, ' ms'),
      ...target('all endpoints, accepted, slowest', wideAcceptedMs, 200, ' ms'),
      ...target(
        'all endpoints, every outcome, slowest',
        worst(({ endedMs }) => endedMs),
        1_500,
        ' ms',
      ),
    ],
  };
}

export function report(figures: CommandBenchFigures, summary: CommandSummary): Omit<BenchReport, 'document'> {
  const { agents, gateways, tls, journalBytesPerTarget, journalEntriesPerWide, memoryBytesPerTarget } = figures;
  const row = (name: string, { p50, p99 }: Quantiles): string[] => [name, p50.toFixed(2), p99.toFixed(2)];
  const times = [
    ['', 'p50 ms', 'p99 ms'],
    row('bare request over the broker', summary.request),
    row('command to one endpoint, accepted', summary.singleAccepted),
    row('command to one endpoint, outcome in the answer', summary.answered),
    row('command to one endpoint, outcome by its events', summary.single),
    row('command to one endpoint, outcome in the answer, beside raw queries', summary.besideQueries),
  ];
  const wide = [
    [`command to ${agents}, slowest of ${figures.wide.length}`, 'ms'],
    ['accepted', summary.wideAcceptedMs.toFixed(0)],
    ['every live endpoint has it', summary.wideReachedMs.toFixed(0)],
    ['every outcome at the viewer', summary.wideEndedMs.toFixed(0)],
  ];
  const sizes = [
    ['for each target', 'bytes'],
    ['journal, to the end', journalBytesPerTarget.toFixed(1)],
    ['memory of the command service while it waits', memoryBytesPerTarget.toFixed(0)],
    ['journal entries of a command to all', journalEntriesPerWide.toFixed(0)],
  ];
  const programs = Object.keys(figures.queryCpuMs);
  const cells = (use: CommandFigures['cpuMs']): string[] => programs.map((program) => use[program]?.toFixed(0) ?? '');
  const cpu = [
    ['processor ms', ...programs],
    ['command to all', ...cells(figures.cpuMs)],
    ['grouped query to all', ...cells(figures.queryCpuMs)],
  ];
  const { command, query } = summary.gatewayUs;
  const gateway = [
    ['processor time of the gateway for each endpoint', 'µs'],
    ['command', command.toFixed(1)],
    ['grouped query', query.toFixed(1)],
    ['ratio', (command / query).toFixed(2)],
  ];
  const head = `${agents} agents on ${gateways} gateway${gateways === 1 ? '' : 's'}, ${tls ? 'TLS' : 'plain'}; a journaled command, outcome seen by the viewer`;
  return { head, tables: [times, wide, cpu, gateway, sizes], targets: summary.targets };
}
