import { encodeDelta, encodeKeyframe, type Sample } from '@muster/host-metrics';
import {
  encodeBody,
  encodeFrame,
  FLAG_FINAL,
  FRAME,
  type MetricsBody,
  type MetricsHistoryBody,
  type ProcessesBody,
} from '@muster/protocol';
import { hostHistory, keepHistory } from './host-history.js';
import { hostValues, shapeOf, type HostSeed } from './host-values.js';

export interface SimulatedMetricsOptions {
  readonly host: HostSeed;
  /** `isUrgent`: it must not wait for the next poll. */
  readonly send: (frame: Uint8Array, isUrgent: boolean) => void;
  readonly random?: () => number;
}

const KEYFRAME_EVERY = 60;
const PROCESSES_MS = 5_000;

/**
 * What one session of a simulated agent sends of its metrics (docs/protocol.md §17). There are thousands of these without a timer each: the
 * fleet visits every agent about once a second. Of the last keyframe only the time is kept, since values follow from machine and time.
 */
export class SimulatedMetrics {
  readonly #options: SimulatedMetricsOptions;
  #everyMs = 0;
  #watchedMs = 0;
  #watchedUntilMs = 0;
  #dueMs = Number.POSITIVE_INFINITY;
  #processesAtMs = 0;
  #keepsHistory = false;
  #seq = 0;
  #keyframe: { readonly seq: number; readonly atMs: number } | undefined;

  constructor(options: SimulatedMetricsOptions) {
    this.#options = options;
  }

  /** Takes METRICS that waited for `ageMs` at the gateway. */
  assign({ everyMs, watch, keyframe = false }: MetricsBody, ageMs: number, nowMs: number): void {
    const before = this.#intervalMs(nowMs);
    this.#everyMs = everyMs;
    this.#watchedMs = watch?.everyMs ?? 0;
    this.#watchedUntilMs = watch === undefined ? 0 : nowMs + watch.forMs - ageMs;
    if (keyframe) {
      this.#keyframe = undefined;
      this.#sample(nowMs, true);
    } else if (this.#intervalMs(nowMs) !== before) this.#schedule(nowMs);
  }

  /** Called about every second. */
  beat(nowMs: number): void {
    if (this.#keepsHistory) keepHistory(this.#options.host, nowMs);
    if (this.#watchedUntilMs !== 0 && nowMs >= this.#watchedUntilMs) {
      this.#watchedUntilMs = 0;
      this.#schedule(nowMs);
    }
    if (nowMs < this.#dueMs) return;
    this.#sample(nowMs, false);
    if (this.#watchedUntilMs !== 0 && nowMs - this.#processesAtMs >= PROCESSES_MS) this.#processes(nowMs);
  }

  history(ref: number, wanted: MetricsHistoryBody, nowMs: number): void {
    const { host, send } = this.#options;
    this.#keepsHistory = true;
    const pieces = hostHistory(host, wanted, nowMs);
    for (const [i, piece] of pieces.entries())
      send(encodeFrame(FRAME.history, ref, piece, i === pieces.length - 1 ? FLAG_FINAL : 0), true);
  }

  #intervalMs(nowMs: number): number {
    return nowMs < this.#watchedUntilMs ? this.#watchedMs : this.#everyMs;
  }

  /** The next sample comes at some moment of the interval. */
  #schedule(nowMs: number): void {
    const intervalMs = this.#intervalMs(nowMs);
    const { random = Math.random } = this.#options;
    this.#dueMs = intervalMs === 0 ? Number.POSITIVE_INFINITY : nowMs + random() * intervalMs;
  }

  #sample(nowMs: number, isUrgent: boolean): void {
    const { host, send } = this.#options;
    this.#seq += 1;
    const sample = { ...sampleAt(host, nowMs), seq: this.#seq };
    const base = this.#keyframe;
    if (base === undefined || this.#seq - base.seq >= KEYFRAME_EVERY) {
      this.#keyframe = { seq: this.#seq, atMs: nowMs };
      send(encodeFrame(FRAME.keyframe, 0, encodeKeyframe(sample)), isUrgent);
    } else {
      const delta = encodeDelta(sample, { ...sampleAt(host, base.atMs), seq: base.seq });
      send(encodeFrame(FRAME.delta, 0, delta), isUrgent);
    }
    // In step with the interval: a visit that comes late does not make all later samples late.
    const intervalMs = this.#intervalMs(nowMs);
    const dueMs = (isUrgent ? nowMs : this.#dueMs) + intervalMs;
    if (intervalMs === 0) this.#dueMs = Number.POSITIVE_INFINITY;
    else this.#dueMs = Number.isFinite(dueMs) && dueMs > nowMs ? dueMs : nowMs + intervalMs;
  }

  #processes(nowMs: number): void {
    this.#processesAtMs = nowMs;
    const body = encodeBody('processes', { atMs: nowMs, ...PROCESSES });
    this.#options.send(encodeFrame(FRAME.processes, 0, body), false);
  }
}

const PROCESSES: Pick<ProcessesBody, 'byCpu' | 'byMemory'> = {
  byCpu: [
    [812, 'java', 0.31, 1_800_000_000, 'app'],
    [1, 'systemd', 0.01, 12_000_000, 'root'],
  ],
  byMemory: [
    [812, 'java', 0.31, 1_800_000_000, 'app'],
    [640, 'postgres', 0.02, 700_000_000, 'postgres'],
  ],
};

function sampleAt(host: HostSeed, atMs: number): Omit<Sample, 'seq'> {
  return { atMs, shape: shapeOf(host), values: hostValues(host, atMs) };
}
