import type { FloorFigures } from '../floor/run-floor.js';
import type { CpuUse } from '../measure/process-cpu.js';
import { target, type Target } from '../measure/report.js';
import type { BenchReport } from '../measure/run-bench.js';
import type { FormFigures, ProductFigures } from './run-product.js';
import { quantile, spreadOf, type Spread } from '../measure/statistics.js';

export interface BenchFigures {
  readonly agents: number;
  readonly gateways: number;
  readonly timedOverTls: boolean;
  readonly questionBytes: number;
  readonly answerBytes: number;
  readonly floor: readonly FloorFigures[];
  readonly timed: ProductFigures;
  /** The run over the other kind of connection, for its memory. */
  readonly other: ProductFigures | undefined;
}

export interface Summary {
  readonly floorMs: Spread;
  readonly rawMs: Spread;
  readonly groupMs: Spread;
  readonly firstPartialMs: { readonly raw: Spread; readonly group: Spread };
  readonly floorBytesPerConnection: number;
  readonly plainBytesPerSession: number | undefined;
  readonly tlsBytesPerSession: number | undefined;
  readonly nats: Readonly<Record<'raw' | 'group', { readonly messages: number; readonly bytes: number }>>;
  readonly targets: readonly Target[];
}

export function summarize(figures: BenchFigures): Summary {
  const { floor, timed, other, timedOverTls } = figures;
  const { raw, group } = timed.forms;
  const floorMs = spreadOf(floor.flatMap(({ completeMs }) => completeMs));
  const rawMs = spreadOf(raw.times.map(({ completeMs }) => completeMs));
  const groupMs = spreadOf(group.times.map(({ completeMs }) => completeMs));
  const firstPartialMs = { raw: firstPartial(raw), group: firstPartial(group) };
  const nats = { raw: trafficOf(raw), group: trafficOf(group) };
  const plain = timedOverTls ? other : timed;
  const tls = timedOverTls ? timed : other;
  const slowestFirst = Math.max(firstPartialMs.raw.median, firstPartialMs.group.median);
  return {
    floorMs,
    rawMs,
    groupMs,
    firstPartialMs,
    floorBytesPerConnection: Math.min(...floor.map(({ bytesPerConnection }) => bytesPerConnection)),
    plainBytesPerSession: plain?.bytesPerSession,
    tlsBytesPerSession: tls?.bytesPerSession,
    nats,
    targets: [
      ...target('group mode, median, by floor', groupMs.median / floorMs.median, 1.15, '×'),
      ...target('raw mode, median, by floor', rawMs.median / floorMs.median, 1.5, '×'),
      ...target('first partial, median', slowestFirst, 300, ' ms'),
      ...target('plain session', plain && plain.bytesPerSession / 1024, 2.5, ' KB'),
      ...target('TLS session', tls && tls.bytesPerSession / 1024, 6, ' KB'),
      ...target('bytes on NATS, group by raw', (100 * nats.group.bytes) / nats.raw.bytes, 5, ' %'),
    ],
  };
}

function firstPartial({ times }: FormFigures): Spread {
  return spreadOf(times.map(({ firstPartialMs }) => firstPartialMs));
}

function trafficOf({ traffic }: FormFigures): { messages: number; bytes: number } {
  return {
    messages: quantile(
      traffic.map(({ messages }) => messages),
      0.5,
    ),
    bytes: quantile(
      traffic.map(({ bytes }) => bytes),
      0.5,
    ),
  };
}

export function report(figures: BenchFigures, summary: Summary): Omit<BenchReport, 'document'> {
  const { agents, gateways, timed, timedOverTls, questionBytes, answerBytes } = figures;
  const { floorMs, rawMs, groupMs, firstPartialMs, nats } = summary;
  const timeRow = (name: string, spread: Spread, first: Spread | undefined): string[] => [
    name,
    spread.median.toFixed(0),
    spread.p95.toFixed(0),
    `${(spread.median / floorMs.median).toFixed(2)} ×`,
    first === undefined ? '' : first.median.toFixed(0),
  ];
  const kilobytes = (bytes: number | undefined): string => (bytes === undefined ? '' : (bytes / 1024).toFixed(2));
  const times = [
    ['', 'median ms', 'p95 ms', 'by floor', 'first ms'],
    timeRow('floor', floorMs, undefined),
    timeRow('group mode', groupMs, firstPartialMs.group),
    timeRow('raw mode', rawMs, firstPartialMs.raw),
  ];
  const others = [
    ['', 'messages', 'KB'],
    ['NATS, per query, group', String(nats.group.messages), (nats.group.bytes / 1024).toFixed(0)],
    ['NATS, per query, raw', String(nats.raw.messages), (nats.raw.bytes / 1024).toFixed(0)],
    ['floor, per connection', '', kilobytes(summary.floorBytesPerConnection)],
    ['gateway, per plain session', '', kilobytes(summary.plainBytesPerSession)],
    ['gateway, per TLS session', '', kilobytes(summary.tlsBytesPerSession)],
  ];
  const programs = Object.keys(timed.forms.raw.cpuMs);
  const cpuRow = (name: string, use: CpuUse): string[] => [
    name,
    ...programs.map((program) => (use[program] ?? 0).toFixed(0)),
    Object.values(use)
      .reduce((sum, ms) => sum + ms, 0)
      .toFixed(0),
  ];
  const cpu = [
    ['processor ms per query', ...programs, 'all'],
    cpuRow('floor', figures.floor.at(-1)?.cpuMs ?? {}),
    cpuRow('group mode', timed.forms.group.cpuMs),
    cpuRow('raw mode', timed.forms.raw.cpuMs),
  ];
  const head =
    `${agents} agents on ${gateways} gateway${gateways === 1 ? '' : 's'}, ${timedOverTls ? 'TLS' : 'plain'}; ` +
    `${questionBytes} B question, ${answerBytes} B answer; from the question to the complete ledger at the viewer`;
  return { head, tables: [times, cpu, others], targets: summary.targets };
}
