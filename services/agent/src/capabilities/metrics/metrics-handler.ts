import { CAPABILITY, type MetricsBody } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime/program';
import type { Capability } from '../../contract/capability.js';
import type { Session } from '../../contract/session.js';
import type { FrameHandlers } from '../../contract/session-frames.js';
import { CpuUtilization } from '../../metrics/cpu-utilization.js';
import type { HostReader, Reading } from '../../metrics/contract/host-reader.js';
import { SampleSchedule } from './sample-schedule.js';
import { SampleStream } from './sample-stream.js';

export interface MetricsHandlerOptions {
  readonly reader: HostReader;
  readonly clock: Clock;
  readonly random: () => number;
}

const TICK_MS = 1_000;

/** Measures the host every second, and sends samples as METRICS says. */
export class MetricsHandler implements Capability {
  readonly frames: FrameHandlers = { metrics: (body) => this.#onMetrics(body) };
  readonly #options: MetricsHandlerOptions;
  readonly #schedule: SampleSchedule;
  #stream: SampleStream | undefined;
  #utilization = new CpuUtilization();
  #timer: Timer | undefined;
  #tickAtMs = 0;

  constructor(options: MetricsHandlerOptions) {
    this.#options = options;
    this.#schedule = new SampleSchedule(options.random);
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
    reader.close();
  }

  flags(): readonly string[] {
    return [CAPABILITY.metrics];
  }

  ready(session: Session): void {
    this.#stream = new SampleStream((type, body) => session.send(type, 0, body));
  }

  ended(): void {
    this.#stream = undefined;
    this.#schedule.clear();
  }

  #onMetrics(body: MetricsBody): void {
    this.#schedule.set(body, this.#options.clock.monotonic());
    if (body.keyframe === true) this.#stream?.askKeyframe();
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#timer = clock.setTimeout(() => this.#tick(), Math.max(1, this.#tickAtMs - clock.monotonic()));
  }

  #tick(): void {
    const { clock, reader } = this.#options;
    const nowMs = clock.monotonic();
    // After a machine has slept, the ticks that are missed are not made up for.
    this.#tickAtMs = Math.max(this.#tickAtMs + TICK_MS, nowMs + TICK_MS / 2);
    this.#arm();
    const reading = reader.read();
    if (this.#schedule.isDue(nowMs)) this.#send(reading, nowMs);
  }

  #send(reading: Reading, nowMs: number): void {
    this.#schedule.taken(nowMs);
    this.#utilization.complete(reading.values);
    this.#stream?.send(reading, this.#options.clock.now());
  }
}
