import {
  encodeHistory,
  GROUP_METRICS,
  GROUPS,
  HISTORY_KINDS,
  HOST_METRICS,
  type HistoryKind,
  type HostMetric,
  type Sample,
} from '@muster/host-metrics';
import type { MetricsHistoryBody } from '@muster/protocol';
import { hostValues, shapeOf, type HostSeed } from './host-values.js';

const MAX_SECONDS = 600;
const MAX_MINUTES = 1_440;
const MINUTE_MS = 60_000;
/** Far below the limit of a piece. */
const PIECE_SAMPLES = 60;
/** How long a day of minutes is given again to whoever asks: making it takes some hundred milliseconds. */
const KEPT_MS = 10 * MINUTE_MS;

/** Numbers of samples of the past say only their order. */
const MAX_SEQ = 2 ** 31;
/** Of so many machines the seconds of the last ten minutes are kept, some 60 KB each. */
const MAX_KEPT_HOSTS = 100;

const wholeMinutes = new Map<string, Map<number, Uint8Array>>();
const days = new Map<string, { readonly atMs: number; readonly pieces: readonly Uint8Array[] }>();

/** The past of a simulated machine, in pieces. One machine of each shape stands for all of them in its minutes. */
export function hostHistory(host: HostSeed, { secondsMs, minutesMs }: MetricsHistoryBody, nowMs: number): Uint8Array[] {
  const seconds = Math.min(MAX_SECONDS, Math.floor(secondsMs / 1_000));
  const endMs = Math.floor(nowMs / 1_000) * 1_000;
  return [...secondsOf(host, endMs - seconds * 1_000, endMs), ...(minutesMs < MINUTE_MS ? [] : dayOf(host, nowMs))];
}

/** One sample a second from one time to before another. A whole minute is made once: a real agent does not make its past when it is asked for it either. */
function secondsOf(host: HostSeed, fromMs: number, toMs: number): Uint8Array[] {
  const key = `${host.seed}/${host.index}`;
  const kept = wholeMinutes.get(key) ?? new Map<number, Uint8Array>();
  wholeMinutes.delete(key);
  wholeMinutes.set(key, kept);
  for (const oldest of wholeMinutes.keys()) {
    if (wholeMinutes.size <= MAX_KEPT_HOSTS) break;
    wholeMinutes.delete(oldest);
  }
  for (const minuteMs of kept.keys()) if (minuteMs < fromMs) kept.delete(minuteMs);
  const made: Uint8Array[] = [];
  for (let atMs = fromMs; atMs < toMs;) {
    const endMs = Math.min(toMs, atMs - (atMs % MINUTE_MS) + MINUTE_MS);
    const isWhole = endMs - atMs === MINUTE_MS;
    const piece =
      (isWhole ? kept.get(atMs) : undefined) ??
      encodeHistory({ kind: 'seconds', samples: samplesOf(host, atMs, endMs) });
    if (isWhole) kept.set(atMs, piece);
    made.push(piece);
    atMs = endMs;
  }
  return made;
}

function samplesOf(host: HostSeed, fromMs: number, toMs: number): Sample[] {
  return Array.from({ length: (toMs - fromMs) / 1_000 }, (_, i): Sample => {
    const atMs = fromMs + i * 1_000;
    return { seq: 1 + ((atMs / 1_000) % MAX_SEQ), atMs, shape: shapeOf(host), values: hostValues(host, atMs) };
  });
}

function dayOf(host: HostSeed, nowMs: number): readonly Uint8Array[] {
  const key = String(shapeOf(host).length);
  const kept = days.get(key);
  if (kept !== undefined && nowMs - kept.atMs < KEPT_MS) return kept.pieces;
  const endMs = nowMs - (nowMs % MINUTE_MS);
  const minutes = Array.from({ length: MAX_MINUTES }, (_, i): Sample => {
    const atMs = endMs - (MAX_MINUTES - 1 - i) * MINUTE_MS;
    return { seq: i + 1, atMs, shape: shapeOf(host), values: perSecond(host, atMs) };
  });
  // Mean, lowest and highest are the same: within a minute the simulated load hardly moves.
  const means = pieces('mean', minutes);
  const made = [
    ...means,
    ...means.map((piece) => asKind('lowest', piece)),
    ...means.map((piece) => asKind('highest', piece)),
  ];
  days.set(key, { atMs: nowMs, pieces: made });
  return made;
}

/** The same piece as another kind, which is its first byte. */
function asKind(kind: HistoryKind, piece: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(piece);
  copy[0] = HISTORY_KINDS.indexOf(kind);
  return copy;
}

/** Gauges as they are, counters by their growth per second. */
function perSecond(host: HostSeed, atMs: number): Float64Array {
  const values = hostValues(host, atMs);
  const before = hostValues(host, atMs - MINUTE_MS);
  for (const [i, metric] of metricsOf(host).entries()) {
    if (metric.kind === 'counter') values[i] = Math.round(((values[i] ?? 0) - (before[i] ?? 0)) / 60);
  }
  return values;
}

/** The series of each value of a sample. */
function metricsOf(host: HostSeed): HostMetric[] {
  const { names } = shapeOf(host);
  return [...HOST_METRICS, ...GROUPS.flatMap((group) => names[group].flatMap(() => GROUP_METRICS[group]))];
}

function pieces(kind: HistoryKind, samples: readonly Sample[]): Uint8Array[] {
  const made: Uint8Array[] = [];
  for (let from = 0; from < samples.length; from += PIECE_SAMPLES)
    made.push(encodeHistory({ kind, samples: samples.slice(from, from + PIECE_SAMPLES) }));
  return made;
}
