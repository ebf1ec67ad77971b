import { cpus, uptime } from 'node:os';
import { type Clock, fullJitter, type Logger, type Timer } from '@muster/runtime/program';
import { EventLog } from './event-log.js';
import type { EventKind, EventRecord, RecordedEvents } from './contract/recorded-events.js';
import { type KernelEvent, TRACE_POINTS } from './kernel-event.js';
import { ProcessLook } from './process-look.js';
import { ProcessRecords } from './process-records.js';
import type { RecordSink, WaitingLook } from './record-sink.js';
import { RecentLosses } from './recent-losses.js';
import { SocketRecords } from './socket-records.js';
import { TraceInstance, type TraceInstanceOptions } from './trace-instance.js';

export interface EventRecorderOptions {
  readonly kinds: readonly EventKind[];
  readonly keepMs: number;
  readonly maxBytes: number;
  /** Where to record, or why it is not possible here. */
  readonly place: Pick<TraceInstanceOptions, 'tracing' | 'name'> | { readonly fault: string };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of each processor of the machine. */
  readonly bufferKb?: number;
}

/** While something happens, and while nothing does. */
const POLL_MS = 250;
const QUIET_POLL_MS = 1_000;
/** With many processors looking at their buffers takes longer: in all 0.05 % of a processor. */
const POLL_MS_PER_CPU = 16;
/** A quarter of a megabyte in one turn; what comes faster for long is overwritten, and counted. */
const PAGES_PER_TURN = 64;
const LOOKS_PER_TURN = 50;
/** What has come until a question is read for it, within this bound. */
const SNAPSHOT_TURNS = 4;

/** What a fault has ended, or did not let begin, is tried again: some pass, such as too many open files. */
const RESTART = { baseMs: 10_000, capMs: 600_000 };
const RESTART_MIN_MS = 5_000;
/** What was recorded for so long does not end at once. */
const STEADY_US = 600_000_000;

type Found = 'nothing' | 'some' | 'more';

/**
 *   kernel ─▶ ring buffers ──every 250 ms to 1 s──▶ records ─▶ log (time and bytes are bounded) ─▶ a worker, with the statement that asks
 *
 * Records what the kernel tells of processes and connections. What cannot be recorded is counted, and no event makes the agent wait.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** Of each kind: many of one do not drive out those of the other. */
  readonly #logs: Readonly<Record<EventKind, EventLog>>;
  readonly #losses: RecentLosses;
  readonly #look: ProcessLook;
  readonly #processes: ProcessRecords;
  readonly #sockets: SocketRecords;
  #instance: TraceInstance | undefined;
  #fault = 'recording has not begun yet';
  #since = 0;
  readonly #restarts = fullJitter(RESTART);
  #firstSince: number | undefined;
  #isStopped = false;
  /** When all that the kernel had was read. */
  #readAllAt = 0;
  /** Of the last look: reading the clock costs more than recording an event. */
  #now = 0;
  #timer: Timer | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    const keep = options.keepMs * 1_000;
    const maxBytes = options.maxBytes / options.kinds.length;
    this.#logs = { process: new EventLog({ keep, maxBytes }), socket: new EventLog({ keep, maxBytes }) };
    this.#losses = new RecentLosses(keep);
    this.#look = new ProcessLook(options.clock);
    let rows = 0;
    const sink = (kind: EventKind): RecordSink => ({
      nextRow: () => (rows += 1),
      put: (record) => this.#append(kind, record),
    });
    this.#processes = new ProcessRecords(sink('process'));
    this.#sockets = new SocketRecords(sink('socket'));
  }

  /** Begins, or says in the log and in answers why not. */
  start(): void {
    const { kinds, place, logger } = this.#options;
    this.#isStopped = false;
    try {
      if ('fault' in place) throw new Error(place.fault);
      this.#instance = TraceInstance.open({
        ...place,
        points: kinds.flatMap((kind) => TRACE_POINTS[kind]),
        bufferKb: this.#options.bufferKb ?? bufferKb(),
      });
      this.#now = nowUs();
      this.#since = this.#now;
      this.#readAllAt = this.#now;
      this.#firstSince ??= this.#since;
      logger.info('recording events of the kernel', { kinds, processors: this.#instance.cpus });
      this.#schedule();
    } catch (error) {
      this.#fail(error);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#options.clock.clear(this.#timer);
    const instance = this.#instance;
    this.#instance = undefined;
    this.#fault = 'the agent is stopping';
    instance?.close();
  }

  /** What there is by now. */
  snapshot(): RecordedEvents {
    for (let turns = 0; turns < SNAPSHOT_TURNS && this.#read() === 'more';) turns += 1;
    const now = nowUs();
    try {
      this.#instance?.addCpus();
      this.#losses.add('overrun', this.#instance?.overrun() ?? 0, now);
    } catch (error) {
      this.#fail(error);
    }
    if (this.#instance === undefined) return { fault: `events cannot be recorded on this endpoint: ${this.#fault}` };
    return {
      kinds: this.#options.kinds,
      since: this.#since,
      firstSince: this.#firstSince ?? this.#since,
      now,
      keep: this.#options.keepMs * 1_000,
      bootMs: this.#options.clock.now() - now / 1_000,
      missed: this.#losses.sum(now),
      chunks: this.#options.kinds.flatMap((kind) => this.#logs[kind].chunks(now)),
    };
  }

  #schedule(delayMs = POLL_MS): void {
    const { clock } = this.#options;
    const instance = this.#instance;
    // A look may last longer than the recording that it belongs to.
    const isCurrent = (): boolean => instance !== undefined && this.#instance === instance;
    this.#timer = clock.setTimeout(() => {
      const found = this.#read();
      this.#lookAtProcesses()
        .catch((error: unknown) => isCurrent() && this.#fail(error))
        .finally(() => isCurrent() && this.#schedule(this.#nextDelayMs(found, delayMs)));
    }, delayMs);
    this.#timer.unref();
  }

  #nextDelayMs(found: Found, beforeMs: number): number {
    if (found === 'more') return POLL_MS;
    const leastMs = Math.max(POLL_MS, (this.#instance?.cpus ?? 0) * POLL_MS_PER_CPU);
    return found === 'some' ? leastMs : Math.max(leastMs, Math.min(2 * beforeMs, QUIET_POLL_MS));
  }

  #read(): Found {
    try {
      const fromUs = nowUs();
      const reading = this.#instance?.read(PAGES_PER_TURN);
      if (reading === undefined) return 'nothing';
      const { events, overrun, damaged, isAll } = reading;
      const knownUntil = this.#readAllAt;
      if (isAll) this.#readAllAt = fromUs;
      if (events.length + overrun + damaged === 0) return 'nothing';
      this.#now = fromUs;
      this.#losses.add('overrun', overrun, this.#now);
      this.#losses.add('damaged', damaged, this.#now);
      // What was overwritten lies between what is known and what was read now, and between the processors.
      if (overrun > 0) this.#forget(knownUntil);
      for (const event of events) this.#take(event);
      if (overrun > 0) this.#forget(knownUntil);
      return isAll ? 'some' : 'more';
    } catch (error) {
      this.#fail(error);
      return 'nothing';
    }
  }

  #take(event: KernelEvent): void {
    if (event.kind === 'state') return this.#sockets.take(event);
    this.#processes.take(event);
    if (event.kind === 'exec') this.#sockets.started(event);
  }

  async #lookAtProcesses(): Promise<void> {
    await this.#lookAt('process', this.#processes.waiting(LOOKS_PER_TURN));
    await this.#lookAt('socket', this.#sockets.waiting(LOOKS_PER_TURN));
  }

  async #lookAt(kind: EventKind, waiting: readonly WaitingLook[]): Promise<void> {
    const instance = this.#instance;
    for (const one of waiting) {
      const { n, id, at, withArguments } = one;
      const seen = this.#look.ids(id, at);
      if (seen === undefined) continue;
      const told = withArguments ? await this.#look.arguments(id) : undefined;
      if (instance === undefined || this.#instance !== instance) return;
      this.#now = nowUs();
      if (one.looked(this.#now + CLOCK_STEP_US)) this.#append(kind, { t: 'seen', n, ...seen, ...told });
    }
  }

  #forget(since: number): void {
    this.#processes.forget(since);
    this.#sockets.forget(since);
  }

  #append(kind: EventKind, record: EventRecord): void {
    this.#losses.add('evicted', this.#logs[kind].append(record, this.#now), this.#now);
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    const fault = messageOf(error);
    // Where the kernel does not allow it, it is tried again and again.
    if (this.#instance !== undefined || fault !== this.#fault)
      this.#options.logger.warn('events of the kernel are not recorded', { error: fault });
    this.#fault = fault;
    if (this.#instance !== undefined && nowUs() - this.#since > STEADY_US) this.#restarts.reset();
    this.#close();
    if (!('fault' in this.#options.place)) this.#restart();
  }

  /** What happens until then is missed. */
  #restart(): void {
    const { clock } = this.#options;
    this.#forget(this.#readAllAt);
    clock.clear(this.#timer);
    this.#timer = clock.setTimeout(() => this.start(), this.#restarts.next(RESTART_MIN_MS));
    this.#timer.unref();
  }

  #close(): void {
    const instance = this.#instance;
    this.#instance = undefined;
    try {
      instance?.close();
    } catch (cause) {
      this.#options.logger.warn('the trace instance is not removed', { error: String(cause) });
    }
  }
}

function messageOf(error: unknown): string {
  // `instanceof` does not hold across realms.
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

/** More than a step of {@link nowUs}. */
const CLOCK_STEP_US = 20_000;

/** Since the machine started, the time in which it slept included: the kernel's clock `boot`, in steps of 10 ms. */
function nowUs(): number {
  return Math.round(uptime() * 1_000_000);
}

const BUFFER_KB = 1_024;
const ALL_BUFFERS_KB = 32 * 1_024;
const LEAST_BUFFER_KB = 64;

function bufferKb(): number {
  return Math.max(LEAST_BUFFER_KB, Math.min(BUFFER_KB, Math.floor(ALL_BUFFERS_KB / cpus().length)));
}
