import type { BenchReport } from '../measure/run-bench.js';
import { FAST_FORWARD, type BandwidthFigures } from './run-bandwidth.js';
import { type BandwidthSummary, inWords, type VariantSummary } from './summary.js';
import type { Quantiles } from '../measure/statistics.js';

/** What the figures mean, and which of them are measured. */
function methodOf({ agents }: Pick<BandwidthFigures, 'agents'>, { workload }: BandwidthSummary): string[] {
  const seconds = workload.freshnessMs / 1_000;
  const fast = agents.find(({ fastForward, channel }) => fastForward > 1 && channel === 'live');
  const idle = fast?.phases.idle;
  const minutes = ((idle?.ms ?? 0) * FAST_FORWARD) / 60_000;
  return [
    'Real agents, TLS, real sockets. Bytes are the payload of TCP in both directions, counted by a relay between agent and gateway: TLS, HTTP and WebSocket are in them, the heads of TCP and IP are not.',
    `Equal freshness: whatever is asked, the answer is there within ${seconds} s. For that Poll has to come every ${seconds} s, all hour long; Live is asked when somebody wants to know.`,
    `The harder case, "watched": over both channels a sample of the host's metrics comes every ${seconds} s, all hour long, in the same encoding.`,
    `Measured at real intervals: enrolment, connecting, queries, commands, samples. Measured ${FAST_FORWARD} times as fast: idle time, ${idle?.times ?? 0} heartbeats that take ${minutes.toFixed(0)} minutes otherwise.`,
    'A heartbeat or poll has as many bytes whenever it comes; the columns "real" have those at real intervals, for comparison.',
    'Scaled: idle time and samples, to 60 minutes. A query or command is what its phase took, less what the heartbeats or polls of that time cost anyway.',
    `Composed: hour = connecting + 60 minutes of heartbeats or polls + ${inWords(workload)}.`,
    'Poll is kept alive in fast-forward: the cheapest that it can be. At real intervals gateways may end a connection that idles between two polls.',
  ];
}

export function report(
  figures: BandwidthFigures,
  summary: BandwidthSummary,
): Omit<BenchReport, 'document'> & { readonly method: readonly string[] } {
  const method = methodOf(figures, summary);
  const { share, variants, workload } = summary;
  const kilobytes = (bytes: number): string => (bytes / 1_000).toFixed(1);
  const hours = [
    ['kB an hour', 'idle', inWords(workload), 'watched'],
    ...variants.map(({ name, hours: { idle, workload: busy, watched } }) => [
      name,
      ...[idle, busy, watched].map(kilobytes),
    ]),
    [
      'Live by the cheapest Poll',
      ...[share.idle, share.workload, share.watched].map((ratio) => `${ratio.toFixed(3)}×`),
    ],
  ];
  return {
    method,
    head: method.join('\n'),
    tables: [hours, phaseRows(variants), idleRows(variants), freshnessRows(variants), countRows(figures, summary)],
    targets: summary.targets,
    remarks: remarks(summary),
  };
}

function phaseRows(variants: readonly VariantSummary[]): string[][] {
  return [
    ['bytes of one', 'enrolment', 'connecting', 'query', 'command', 'sample, with polls or heartbeats'],
    ...variants.map(({ name, enrol, connect, query, command, sample }) => [
      name,
      ...[enrol, connect, query, command, sample].map((bytes) => bytes.toFixed(0)),
    ]),
  ];
}

function idleRows(variants: readonly VariantSummary[]): string[][] {
  const digits = (value: number | undefined, count: number): string => value?.toFixed(count) ?? '–';
  return [
    ['idle', 'a heartbeat or poll, B', 'real', 'a minute, B', 'real', 'connections each', 'real'],
    ...variants.map(({ name, beat, idlePerMinute, connectionsPerBeat }) => [
      name,
      digits(beat.fast, 1),
      digits(beat.real, 1),
      digits(idlePerMinute.fast, 0),
      digits(idlePerMinute.real, 0),
      digits(connectionsPerBeat.fast, 2),
      digits(connectionsPerBeat.real, 2),
    ]),
  ];
}

function freshnessRows(variants: readonly VariantSummary[]): string[][] {
  const both = ({ p50, p95 }: Quantiles): string[] => [p50, p95].map((ms) => (ms / 1_000).toFixed(3));
  return [
    ['s', 'answer p50', 'p95', 'outcome of a command p50', 'p95', 'read before it arrived p50', 'p95'],
    ...variants.map(({ name, queryMs, commandMs, sinceReadMs }) => [
      name,
      ...both(queryMs),
      ...both(commandMs),
      ...both(sinceReadMs),
    ]),
  ];
}

function countRows({ counts: { gateways, relays } }: BandwidthFigures, { variants }: BandwidthSummary): string[][] {
  const off = Math.abs(gateways.up - relays.up) + Math.abs(gateways.down - relays.down);
  return [
    ['counted by', 'bytes', 'difference from the relay'],
    ...variants.map(({ name, own }) => [`agent_traffic, ${name}`, String(own.bytes), String(own.off)]),
    gateways.measured === 'sockets'
      ? ['GET /v1/bandwidth, all together', String(gateways.up + gateways.down), String(off)]
      : ['GET /v1/bandwidth', 'not seen', '–'],
  ];
}

function remarks({ equalIntervalMs, queriesToATenth }: BandwidthSummary): string[] {
  const limit =
    queriesToATenth > 0
      ? `Beyond ${Math.floor(queriesToATenth)} queries an hour to every endpoint, Live costs more than a tenth of the cheapest Poll: answers have to be sent over either.`
      : 'Live costs more than a tenth of the cheapest Poll even without a query.';
  if (equalIntervalMs === undefined) return [limit];
  const minutes = (equalIntervalMs / 60_000).toFixed(0);
  return [
    limit,
    `For the bytes of an idle Live session Poll could come only once in ${minutes} minutes, with a connection for each poll.`,
  ];
}
