import { FRAME, type MetricsBody } from '@muster/protocol';
import { sleep, systemClock } from '@muster/runtime/program';
import { MetricsHandler } from '../capabilities/metrics/metrics-handler.js';
import { elapsedTime, processCpuMs } from '../metrics/elapsed-time.js';
import type { HostReader } from '../metrics/contract/host-reader.js';
import { HostHistory } from '../metrics/history/host-history.js';
import { openHostReader } from '../metrics/open-host-reader.js';

/** What measuring this machine costs an agent. Costs are processor time of this process. */
export interface MetricsCost {
  readonly standardUs: number;
  readonly detailedUs: number;
  /** How many values a sample has that are not absent. */
  readonly values: number;
  /** A reading, and keeping it: what an agent does every second. */
  readonly tickUs: number;
  /** Of one processor, 1 is all of it: what the ticks and the detailed set of a minute cost, many of them one after the other. */
  readonly unwatchedSteadyShare: number;
  /** At the pace of a real agent, and of a program that only wakes up once a second: of this a busy machine makes most. */
  readonly unwatchedShare: number;
  readonly emptyShare: number;
  readonly watchedShare: number;
  readonly keyframeBytes: number;
  /** Mean of the samples of a watched second, keyframes included, with headers of frames and WebSocket messages. */
  readonly bytesPerSecond: number;
  /** What the history takes after `seconds`. */
  readonly historyBytes: number;
  readonly seconds: number;
}

const WATCH: MetricsBody = { everyMs: 60_000, watch: { everyMs: 1_000, forMs: 60_000 } };
/** The header of a frame, and that of a masked WebSocket message of this length. */
const HEAD_BYTES = 8 + 8;

/**
 * Runs for a little more than twice `seconds`, at the pace of a real agent: what runs once a second finds its code and
 * data gone from the caches.
 */
export async function measureMetrics(seconds: number): Promise<MetricsCost> {
  const clock = systemClock;
  const reader = openHostReader({ clock, workerPids: () => [], programEnv: undefined });
  const standardUs = await costUs(500, () => Promise.resolve(void reader.read()));
  const detailedUs = await costUs(10, () => reader.refresh({ topProcesses: false }));
  const tickUs = await keepingUs(reader);
  const emptyShare = await share(Math.min(seconds, 30), () => {}, 1_000);
  const history = new HostHistory({ now: () => clock.now(), elapsedMs: elapsedTime(clock) });
  const handler = new MetricsHandler({ reader, history, clock, random: Math.random, cpuMs: processCpuMs });
  const frames: { readonly type: number; readonly bytes: number }[] = [];
  handler.start();
  handler.ready({
    mode: 'live',
    serverTimeMs: 0,
    send: (type, _ref, body) => {
      frames.push({ type, bytes: body.length });
      return 'sent';
    },
  });
  const unwatchedShare = await share(seconds, () => {});
  frames.length = 0;
  const watchedShare = await share(seconds, () => handler.frames.metrics?.(WATCH, 0));
  const samples = frames.filter(({ type }) => type === FRAME.keyframe || type === FRAME.delta);
  const bytes = samples.reduce((sum, frame) => sum + frame.bytes + HEAD_BYTES, 0);
  const reading = reader.read();
  const counted = reading.values.reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : 1), 0);
  handler.stop();
  return {
    ...{ standardUs, detailedUs, tickUs, unwatchedShare, emptyShare, watchedShare, values: counted },
    unwatchedSteadyShare: (tickUs + detailedUs / 60) / 1e6,
    keyframeBytes: frames.find(({ type }) => type === FRAME.keyframe)?.bytes ?? 0,
    bytesPerSecond: bytes / Math.max(1, samples.length),
    historyBytes: history.bytes,
    seconds: 2 * seconds,
  };
}

async function costUs(times: number, run: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < times; i += 1) await run();
  const fromMs = processCpuMs();
  for (let i = 0; i < times; i += 1) await run();
  return (1_000 * (processCpuMs() - fromMs)) / times;
}

/** Of a reading that is kept: the twenty minutes before let the engine compile what runs all day. */
async function keepingUs(reader: HostReader): Promise<number> {
  let nowMs = Date.now();
  const history = new HostHistory({ now: () => nowMs, elapsedMs: () => nowMs });
  const second = (): Promise<void> => {
    nowMs += 1_000;
    history.add(reader.read());
    return Promise.resolve();
  };
  return costUs(1_200, second);
}

async function share(seconds: number, atEachWake: () => void, wakeMs = 5_000): Promise<number> {
  const fromMs = processCpuMs();
  const fromAtMs = performance.now();
  for (let leftMs = 1_000 * seconds; leftMs > 0; leftMs -= wakeMs) {
    atEachWake();
    await sleep(systemClock, Math.min(wakeMs, leftMs));
  }
  return (processCpuMs() - fromMs) / (performance.now() - fromAtMs);
}
