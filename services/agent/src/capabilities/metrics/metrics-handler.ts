import { CAPABILITY, encodeBody, FRAME, LIMITS, type MetricsBody, type MetricsHistoryBody } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime/program';
import type { Capability } from '../../contract/capability.js';
import type { Session } from '../../contract/session.js';
import type { FrameHandlers } from '../../contract/session-frames.js';
import type { HostReader, ProcessUse, Reading, TopProcesses } from '../../metrics/contract/host-reader.js';
import { CpuUtilization } from '../../metrics/cpu-utilization.js';
import type { HostHistory } from '../../metrics/history/host-history.js';
import { DetailedRefresh } from './detailed-refresh.js';
import { HistorySender } from './history-sender.js';
import { SampleSchedule } from './sample-schedule.js';
import { SampleStream } from './sample-stream.js';

export interface MetricsHandlerOptions {
  readonly reader: HostReader;
  readonly history: HostHistory;
  readonly clock: Clock;
  readonly random: () => number;
  /** Processor time of this process. */
  readonly cpuMs: () => number;
}

interface TimedReading extends Reading {
  /** By the clock of the endpoint. */
  readonly atMs: number;
  /** The same moment, monotonic. */
  readonly takenMs: number;
}

/** Top processes that wait for the next poll. */
interface WaitingTop {
  readonly body: Uint8Array;
  readonly takenMs: number;
}

/** What belongs to one session. */
interface Active {
  readonly session: Session;
  readonly stream: SampleStream;
  readonly history: HistorySender;
}

const TICK_MS = 1_000;
/** Over Poll, samples that wait for the next poll; older ones are given up. */
const MAX_WAITING = 10;
const HISTORY_PACE_MS = 10;

/**
 * Measures the host every second, keeps what it measured, and sends samples and history as the gateway asks. Over Poll,
 * samples wait for the next poll and go along with it: they never cause one.
 */
export class MetricsHandler implements Capability {
  readonly frames: FrameHandlers = {
    metrics: (body) => this.#onMetrics(body),
    metricsHistory: (body, ref) => this.#onHistory(body, ref),
  };
  readonly #options: MetricsHandlerOptions;
  readonly #schedule: SampleSchedule;
  readonly #detailed: DetailedRefresh;
  #active: Active | undefined;
  /** Of the samples that are sent: it covers the time since the last of them. */
  readonly #utilization = new CpuUtilization();
  #waiting: TimedReading[] = [];
  #waitingTop: WaitingTop | undefined;
  #timer: Timer | undefined;
  #tickAtMs = 0;
  #sentAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: MetricsHandlerOptions) {
    this.#options = options;
    this.#schedule = new SampleSchedule(options.random);
    this.#detailed = new DetailedRefresh({ ...options, onTop: (top) => this.#onTop(top) });
  }

  start(): void {
    const { clock, random } = this.#options;
    // The agents of the virtual machines of one host must not measure in step.
    this.#tickAtMs = clock.monotonic() + TICK_MS * random();
    this.#arm();
  }

  stop(): void {
    const { clock, reader } = this.#options;
    clock.clear(this.#timer);
    this.#timer = undefined;
    this.ended();
    reader.close();
  }

  flags(): readonly string[] {
    return [CAPABILITY.metrics];
  }

  ready(session: Session): void {
    const { clock } = this.#options;
    this.#active = {
      session,
      stream: new SampleStream((type, body, ageMs) => session.send(type, 0, body, { ageMs })),
      history: new HistorySender({
        clock,
        paceMs: session.mode === 'live' ? HISTORY_PACE_MS : 0,
        send: (ref, piece, flags) => session.send(FRAME.history, ref, piece, { flags }),
      }),
    };
  }

  writable(): void {
    this.#active?.history.pump();
  }

  polling(): void {
    const nowMs = this.#options.clock.monotonic();
    const waiting = this.#waiting.splice(0);
    for (const reading of waiting) this.#active?.stream.send(reading, reading.atMs, nowMs - reading.takenMs);
    const top = this.#waitingTop;
    this.#waitingTop = undefined;
    if (top !== undefined) this.#active?.session.send(FRAME.processes, 0, top.body, { ageMs: nowMs - top.takenMs });
  }

  ended(): void {
    this.#active?.history.stop();
    this.#active = undefined;
    this.#waiting = [];
    this.#waitingTop = undefined;
    this.#schedule.clear();
  }

  #onMetrics(body: MetricsBody): void {
    const { clock, reader } = this.#options;
    const nowMs = clock.monotonic();
    this.#schedule.set(body, nowMs);
    if (this.#schedule.isWatched(nowMs)) this.#detailed.tick(true);
    if (body.keyframe !== true || !this.#schedule.isOn(nowMs)) return;
    this.#active?.stream.askKeyframe();
    // Asked more often than once a second, it comes with the next tick.
    if (nowMs - this.#sentAtMs >= TICK_MS) this.#send(reader.read(), nowMs);
    else this.#schedule.hasten(nowMs);
  }

  #onHistory({ secondsMs, minutesMs }: MetricsHistoryBody, ref: number): void {
    const { history, reader } = this.#options;
    const pieces = history.pieces({ secondsMs, minutesMs });
    if (pieces.length > 0) {
      this.#active?.history.add(ref, pieces);
      return;
    }
    // Nothing is kept yet, but an answer has one piece at least: the moment.
    history.add(recentOf(reader.read()));
    this.#active?.history.add(ref, history.pieces({ secondsMs: LIMITS.metricsEveryMaxMs, minutesMs: 0 }).slice(-1));
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#timer = clock.setTimeout(() => this.#tick(), Math.max(1, this.#tickAtMs - clock.monotonic()));
  }

  #tick(): void {
    const { clock, history, reader } = this.#options;
    const nowMs = clock.monotonic();
    // After a machine has slept, the ticks that are missed are not made up for.
    this.#tickAtMs = Math.max(this.#tickAtMs + TICK_MS, nowMs + TICK_MS / 2);
    this.#arm();
    const reading = reader.read();
    history.add(recentOf(reading));
    if (this.#schedule.isDue(nowMs)) this.#send(reading, nowMs);
    this.#detailed.tick(this.#schedule.isWatched(nowMs));
  }

  /** Sends a reading, or lets it wait for the next poll. The history keeps the values of the reading, so they are copied. */
  #send(read: Reading, nowMs: number): void {
    if (this.#active === undefined) return;
    // A heartbeat has what was read in the last minute or so, a sample of every second only what is of that second.
    const { shape, values } = this.#schedule.isWatched(nowMs) ? recentOf(read) : read;
    this.#schedule.taken(nowMs);
    this.#sentAtMs = nowMs;
    const reading = { shape, values: values.slice(), atMs: this.#options.clock.now(), takenMs: nowMs };
    this.#utilization.complete(reading.values);
    const { session, stream } = this.#active;
    if (session.mode === 'live') stream.send(reading, reading.atMs);
    else this.#waiting = [...this.#waiting, reading].slice(-MAX_WAITING);
  }

  #onTop({ byCpu, byMemory }: TopProcesses): void {
    const { clock } = this.#options;
    // The watch may have ended meanwhile, and names of processes are only for who watches.
    if (this.#active === undefined || !this.#schedule.isWatched(clock.monotonic())) return;
    const atMs = Math.max(0, Math.round(clock.now()));
    const body = encodeBody('processes', { atMs, byCpu: byCpu.map(wireForm), byMemory: byMemory.map(wireForm) });
    const { session } = this.#active;
    if (session.mode === 'live') session.send(FRAME.processes, 0, body);
    else this.#waitingTop = { body, takenMs: clock.monotonic() };
  }
}

function recentOf({ shape, values, recent = values }: Reading): Reading {
  return { shape, values: recent };
}

type WireProcess = [pid: number, name: string, share: number, residentBytes: number, user: string];

function wireForm({ pid, name, share, residentBytes, user }: ProcessUse): WireProcess {
  return [pid, name, share, residentBytes, user];
}
