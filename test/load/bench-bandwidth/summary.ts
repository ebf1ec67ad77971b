import { target, type Target } from '../measure/report.js';
import { type Quantiles, quantiles } from '../measure/statistics.js';
import type { AgentFigures, Phase } from './measure-agent.js';
import type { BandwidthFigures, BenchAgentFigures } from './run-bandwidth.js';

export interface Workload {
  /** The greatest age of an answer: the interval of polls, and of the samples of metrics. */
  readonly freshnessMs: number;
  readonly queries: number;
  readonly commands: number;
}

/** `2 queries, 1 command`. */
export function inWords({ commands, queries }: Workload): string {
  const counted = (count: number, one: string, several: string): string => `${count} ${count === 1 ? one : several}`;
  return `${counted(queries, 'query', 'queries')}, ${counted(commands, 'command', 'commands')}`;
}

/** All bytes are payload of TCP, both ways, of one endpoint. */
export interface VariantSummary {
  readonly name: string;
  readonly channel: 'live' | 'poll';
  readonly enrol: number;
  readonly connect: number;
  /** Of a heartbeat or an idle poll, in fast-forward and at the real interval. */
  readonly beat: { readonly fast: number; readonly real: number | undefined };
  /** Connections for each of them. */
  readonly connectionsPerBeat: { readonly fast: number; readonly real: number | undefined };
  readonly idlePerMinute: { readonly fast: number; readonly real: number | undefined };
  /** The cost of one, without the heartbeats or polls that happen anyway. */
  readonly query: number;
  readonly command: number;
  /** Of a sample, with the heartbeats or the poll of its time. */
  readonly sample: number;
  readonly hours: {
    /** Connecting, and an hour of nothing. */
    readonly idle: number;
    /** The same, and the queries and commands of the workload. */
    readonly workload: number;
    /** Connecting, and a sample of metrics in every interval of the freshness. */
    readonly watched: number;
  };
  readonly queryMs: Quantiles;
  readonly commandMs: Quantiles;
  readonly sinceReadMs: Quantiles;
  /** Its own count, and the difference from the relay's count. */
  readonly own: { readonly bytes: number; readonly off: number };
}

export interface BandwidthSummary {
  readonly workload: Workload;
  readonly variants: readonly VariantSummary[];
  /** Live as a share of the cheapest Poll. */
  readonly share: Readonly<Record<keyof VariantSummary['hours'], number>>;
  /** Queries an hour to one endpoint at which Live reaches a tenth of the cheapest Poll; negative when it exceeds that without a query. */
  readonly queriesToATenth: number;
  /** The interval at which Poll, with a connection for each poll, costs as much as an idle Live session. */
  readonly equalIntervalMs: number | undefined;
  readonly targets: readonly Target[];
}

const HOUR_MS = 3_600_000;
const TENTH = 0.1;
/** Where both channels must send the same samples. */
const FIFTH = 0.2;
const IDLE_BYTES_PER_MINUTE = 100;

/**
 * Agents of one name form a variant: idle time comes from the one in fast-forward, queries and commands from the one at
 * real intervals, samples from the one that sends some.
 */
export function summarize({ agents }: Pick<BandwidthFigures, 'agents'>, workload: Workload): BandwidthSummary {
  const names = [...new Set(agents.map(({ name }) => name))];
  const variants = names.map((name) =>
    variantOf(
      agents.filter((agent) => agent.name === name),
      workload,
    ),
  );
  const live = cheapest(variants, 'live');
  const poll = cheapest(variants, 'poll');
  const share = {
    idle: live.hours.idle / poll.hours.idle,
    workload: live.hours.workload / poll.hours.workload,
    watched: live.hours.watched / poll.hours.watched,
  };
  const without = (of: VariantSummary): number => of.hours.workload - workload.queries * of.query;
  const queriesToATenth = (TENTH * without(poll) - without(live)) / (live.query - TENTH * poll.query);
  const cut = variants.find(({ channel, connectionsPerBeat }) => channel === 'poll' && connectionsPerBeat.fast >= 1);
  const seconds = workload.freshnessMs / 1_000;
  return {
    workload,
    variants,
    share,
    queriesToATenth,
    equalIntervalMs: cut && (cut.beat.fast / live.idlePerMinute.fast) * 60_000,
    targets: [
      ...target(
        'the hour of the workload, Live in the bytes of the cheapest Poll',
        100 * share.workload,
        100 * TENTH,
        ' %',
      ),
      ...target(
        `the hour of a sample every ${seconds} s, Live in the bytes of the cheapest Poll`,
        100 * share.watched,
        100 * FIFTH,
        ' %',
      ),
      ...target('an idle live endpoint, a minute', live.idlePerMinute.fast, IDLE_BYTES_PER_MINUTE, ' B'),
      ...target('from query to answer, p95, Live', live.queryMs.p95 / 1_000, seconds, ' s'),
      ...target('from query to answer, p95, Poll', poll.queryMs.p95 / 1_000, seconds, ' s'),
    ],
  };
}

function variantOf(agents: readonly BenchAgentFigures[], { queries, commands }: Workload): VariantSummary {
  const sampled = agents.find(({ phases }) => phases.samples.times > 0);
  // An agent that only sends samples has no idle time.
  const byPace = agents.filter(({ phases }) => phases.idle.times > 0).toSorted((a, b) => a.fastForward - b.fastForward);
  const [asked, fast] = [byPace.at(0), byPace.at(-1)];
  if (asked === undefined || fast === undefined || sampled === undefined) throw new Error('a variant without agents');
  const real = asked.fastForward === 1 ? asked : undefined;
  const { name, channel, phases } = asked;
  const extra = (phase: Phase): number =>
    phase.times === 0 ? 0 : (bytesOf(phase) - perHour(asked, phases.idle) * hoursOf(asked, phase)) / phase.times;
  const [connect, query, command] = [bytesOf(phases.connect), extra(phases.queries), extra(phases.commands)];
  const idle = connect + perHour(fast, fast.phases.idle);
  return {
    name,
    channel,
    enrol: bytesOf(phases.enrol),
    connect,
    beat: { fast: perBeat(fast, bytesOf), real: real && perBeat(real, bytesOf) },
    connectionsPerBeat: { fast: perBeat(fast, connectionsOf), real: real && perBeat(real, connectionsOf) },
    idlePerMinute: { fast: perHour(fast, fast.phases.idle) / 60, real: real && perHour(real, real.phases.idle) / 60 },
    query,
    command,
    sample: bytesOf(sampled.phases.samples) / sampled.phases.samples.times,
    hours: {
      idle,
      workload: idle + queries * query + commands * command,
      watched: connect + perHour(sampled, sampled.phases.samples),
    },
    queryMs: quantiles(asked.queryMs),
    commandMs: quantiles(asked.commandMs),
    sinceReadMs: quantiles(asked.sinceReadMs),
    own: {
      bytes: agents.flatMap(({ own }) => own).reduce((sum, one) => sum + one.in + one.out, 0),
      off: agents.reduce((sum, { ownOff }) => sum + ownOff, 0),
    },
  };
}

function cheapest(variants: readonly VariantSummary[], channel: 'live' | 'poll'): VariantSummary {
  const [first] = variants
    .filter((variant) => variant.channel === channel)
    .toSorted((a, b) => a.hours.workload - b.hours.workload);
  if (first === undefined) throw new Error(`no agent was on the channel ${channel}`);
  return first;
}

function bytesOf(phase: Phase): number {
  return phase.in + phase.out;
}

function connectionsOf({ connections }: Phase): number {
  return connections;
}

function perBeat({ phases: { idle } }: AgentFigures, count: (phase: Phase) => number): number {
  return count(idle) / idle.times;
}

function hoursOf({ fastForward }: Pick<BenchAgentFigures, 'fastForward'>, { ms }: Phase): number {
  return (ms * fastForward) / HOUR_MS;
}

function perHour(agent: BenchAgentFigures, phase: Phase): number {
  return phase.times === 0 ? Number.NaN : bytesOf(phase) / hoursOf(agent, phase);
}
