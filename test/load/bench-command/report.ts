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
  readonly wideAcceptedMs: number;
  readonly wideReachedMs: number;
  readonly wideEndedMs: number;
  readonly targets: readonly Target[];
}

export function summarize({ requestMs, answeredMs, singles, wide }: CommandBenchFigures): CommandSummary {
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
    wideAcceptedMs,
    wideReachedMs,
    wideEndedMs: worst(({ endedMs }) => endedMs),
    targets: [
      ...target('one endpoint, API → agent → API, p99', answered.p99, 25, ' ms'),
      ...target('all endpoints, accepted, slowest', wideAcceptedMs, 1_000, ' ms'),
      ...target('all endpoints, reached, slowest', wideReachedMs, 3_000, ' ms'),
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
  const programs = Object.keys(figures.cpuMs);
  const cpu = [
    ['processor ms of a command to all', ...programs],
    ['', ...programs.map((program) => (figures.cpuMs[program] ?? 0).toFixed(0))],
  ];
  const head = `${agents} agents on ${gateways} gateway${gateways === 1 ? '' : 's'}, ${tls ? 'TLS' : 'plain'}; a journaled command, outcome seen by the viewer`;
  return { head, tables: [times, wide, cpu, sizes], targets: summary.targets };
}
