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
import { SecondHistory } from './second-history.js';

const MAX_SECONDS = 600;
const MAX_MINUTES = 1_440;
const MINUTE_MS = 60_000;
/** Far below the limit of a piece. */
const PIECE_SAMPLES = 60;
/** How long a day of minutes is given again to whoever asks: making it takes some hundred milliseconds. */
const KEPT_MS = 10 * MINUTE_MS;

/** Of so many machines the seconds of the last ten minutes are kept, some 100 KB each. */
const MAX_KEPT_HOSTS = 100;

const kept = new Map<string, SecondHistory>();
const days = new Map<string, { readonly atMs: number; readonly pieces: readonly Uint8Array[] }>();

/** The past of a simulated machine, in pieces. One machine of each shape stands for all of them in its minutes. */
export function hostHistory(host: HostSeed, { secondsMs, minutesMs }: MetricsHistoryBody, nowMs: number): Uint8Array[] {
  return [...secondsOf(host, secondsMs, nowMs), ...(minutesMs < MINUTE_MS ? [] : dayOf(host, nowMs))];
}

/** Called about every second: a machine whose past was asked for goes on to keep it, as a real agent does from its start. */
export function keepHistory(host: HostSeed, nowMs: number): void {
  kept.get(keyOf(host))?.extend(nowMs);
}

function secondsOf(host: HostSeed, secondsMs: number, nowMs: number): Uint8Array[] {
  const seconds = Math.min(MAX_SECONDS, Math.floor(secondsMs / 1_000));
  if (seconds === 0) return [];
  const key = keyOf(host);
  const history = kept.get(key) ?? new SecondHistory(host);
  kept.delete(key);
  kept.set(key, history);
  for (const oldest of kept.keys()) {
    if (kept.size <= MAX_KEPT_HOSTS) break;
    kept.delete(oldest);
  }
  history.extend(nowMs);
  return history.since((Math.floor(nowMs / 1_000) - seconds) * 1_000);
}

const keyOf = ({ seed, index }: HostSeed): string => `${seed}/${index}`;

function dayOf(host: HostSeed, nowMs: number): readonly Uint8Array[] {
  const key = String(shapeOf(host).length);
  const known = days.get(key);
  if (known !== undefined && nowMs - known.atMs < KEPT_MS) return known.pieces;
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
