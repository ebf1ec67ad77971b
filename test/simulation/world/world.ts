import type { Timer } from '@muster/runtime';
import { drain } from './drain.js';
import { EventQueue, type QueuedEvent } from './event-queue.js';
import { Moments } from './moments.js';
import { errorText, framesOf, StandstillError, type ProgramError } from './program-errors.js';
import { Random } from './random.js';

/** Taken before anything is replaced. */
const realSetImmediate = setImmediate;
interface WorldEvent extends QueuedEvent {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly run: () => void;
  /** Who made it, when the world looks for what keeps it from going on. */
  readonly from: Error | undefined;
  cancelled: boolean;
}

/** More happens within a millisecond only where nobody waits for anything. */
const MOST_AT_ONCE = 20_000;
/** When it begins to look who makes them. */
const MANY_AT_ONCE = 19_000;

/** What the world notes for people: who did what, and when. */
export interface TimelineEntry {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
}

/** Of gateways, with what they need to notice that it is over. */
const LEASE_MS = 15_500;

/** Virtual time begins here. */
export const EPOCH_MS = 1_750_000_000_000;

/**
 * Time, chance and processes. One event happens after the other; between two, everything that waits for promises runs. So a history is
 * decided by its seed alone, as long as the code in it has no timer, date, random number or I/O of its own; `replaceGlobals` takes care of
 * those that code can reach.
 */
export class World {
  readonly random: Random;
  readonly timeline: TimelineEntry[] = [];
  /** The timeline tells who said what to whom, and what was lost. */
  tellsMessages = false;
  /** What faults wait for. */
  readonly moments = new Moments<SimulatedProcess>();
  nowMs = EPOCH_MS;
  /** Whose event happens now. */
  current: SimulatedProcess;
  /** How many events have happened. */
  events = 0;
  /** What programs did that none may do. */
  readonly errors: ProgramError[] = [];
  /** Called when a process has crashed; who runs it starts it again. */
  onCrash: (process: SimulatedProcess) => void = () => undefined;
  readonly #queue = new EventQueue<WorldEvent>();
  #order = 0;
  /** How much has happened in the millisecond that began then. */
  readonly #atOnce = { sinceMs: 0, events: 0 };

  constructor(seed: number) {
    this.random = new Random(seed, 1);
    this.current = new SimulatedProcess(this, 'world');
  }

  process(name: string): SimulatedProcess {
    return new SimulatedProcess(this, name);
  }

  /** Runs this in a process after so many milliseconds, unless it is killed before. While it is frozen the event waits. */
  schedule(process: SimulatedProcess, delayMs: number, run: () => void): Timer & { cancel(): void } {
    const event: WorldEvent = {
      atMs: this.nowMs + Math.max(0, delayMs),
      order: (this.#order += 1),
      process,
      incarnation: process.incarnation,
      run,
      from: this.#atOnce.events > MANY_AT_ONCE ? new Error('scheduled') : undefined,
      cancelled: false,
    };
    this.#queue.push(event);
    return {
      unref: () => undefined,
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  note(what: string, who: SimulatedProcess = this.current): void {
    this.timeline.push({ atMs: this.nowMs - EPOCH_MS, who: who.name, what });
  }

  /** A program threw what it does not handle, or rejected a promise for which nobody waits: as in production its process ends. */
  crash(error: unknown, process: SimulatedProcess = this.current): void {
    const what = errorText(error);
    this.errors.push({ property: 'no process ends by an error that nobody handles', who: process.name, what });
    this.note(`crashes: ${what}`, process);
    process.kill();
    this.onCrash(process);
  }

  /** A handler of a message threw; what called it goes on. */
  handlerThrew(error: unknown, subject: string): void {
    const what = `${subject}: ${errorText(error)}`;
    this.errors.push({ property: 'no handler of messages throws', who: this.current.name, what });
    this.note(`throws at a message on ${what}`);
  }

  /**
   * Lets events happen until this moment, or until `isOver`.
   *
   * @throws StandstillError when time does not go on.
   */
  run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      // Not from within a promise: what waits for promises would not run between two events then.
      realSetImmediate(() => {
        try {
          this.#run(untilMs, isOver);
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #run(untilMs: number, isOver: () => boolean): void {
    const outside = this.current;
    drain();
    while (!isOver()) {
      const next = this.#queue.peek();
      if (next === undefined || next.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs);
        return;
      }
      this.#queue.pop();
      if (this.#happens(next)) {
        this.current = next.process;
        this.#count(next);
        try {
          next.run();
        } catch (error) {
          this.crash(error);
        }
        drain();
        this.current = outside;
      }
    }
  }

  #count({ process, from }: WorldEvent): void {
    const atOnce = this.#atOnce;
    if (this.nowMs >= atOnce.sinceMs + 1) Object.assign(atOnce, { sinceMs: this.nowMs, events: 0 });
    atOnce.events += 1;
    if (atOnce.events <= MOST_AT_ONCE) return;
    const what = `${MOST_AT_ONCE} events within a millisecond; the next one is made ${framesOf(from ?? new Error())}`;
    this.note(`works without waiting: ${what}`, process);
    throw new StandstillError(process.name, what);
  }

  /** Whether it happens now: not when its process is gone, and later when that stands still. */
  #happens(event: WorldEvent): boolean {
    const { process, incarnation } = event;
    if (event.cancelled || incarnation !== process.incarnation || process.state === 'down') return false;
    this.nowMs = Math.max(this.nowMs, event.atMs);
    if (process.state === 'frozen') {
      process.held.push(() => {
        if (!event.cancelled) event.run();
      });
      return false;
    }
    this.events += 1;
    return true;
  }
}

/** A program on a machine: what it does are events, so that it can be killed between any two of them, or stand still. */
export class SimulatedProcess {
  readonly name: string;
  state: 'up' | 'frozen' | 'down' = 'up';
  incarnation = 0;
  /** How far the wall clock of its machine is off. */
  skewMs = 0;
  /** How fast its clock goes: 1 is right. */
  pace = 1;
  /** Until when nothing gets through its network: what is sent meanwhile arrives then. */
  readonly stalledUntilMs = { in: 0, out: 0 };
  /** When it was killed, or lost its connections. */
  readonly leftAtMs: number[] = [];
  /** How often it stood still in this life for longer than the lease of a gateway, by its own clock. */
  longStandstills = 0;
  #frozenAtMs = 0;
  /** What is to happen when it goes on. */
  readonly held: (() => void)[] = [];
  readonly #world: World;
  readonly #onKilled = new Set<() => void>();

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  /** Of its machine, since the world began. */
  get monotonicMs(): number {
    return (this.#world.nowMs - EPOCH_MS) * this.pace;
  }

  get wallMs(): number {
    return Math.floor(EPOCH_MS + this.monotonicMs + this.skewMs);
  }

  /** Called when it is killed: what its machine does then, such as closing its connections. */
  onKilled(tell: () => void): void {
    this.#onKilled.add(tell);
  }

  /** The network between it and all others breaks for a moment. */
  breakConnections(): void {
    this.#world.note('loses its connections', this);
    this.leftAtMs.push(this.#world.nowMs);
    for (const tell of [...this.#onKilled]) tell();
    this.#onKilled.clear();
  }

  kill(): void {
    if (this.state === 'down') return;
    this.#world.note('killed', this);
    this.state = 'down';
    this.leftAtMs.push(this.#world.nowMs);
    this.incarnation += 1;
    this.held.length = 0;
    for (const tell of [...this.#onKilled]) tell();
    this.#onKilled.clear();
  }

  /** After a kill: it runs again, and knows nothing. */
  revive(): void {
    if (this.state !== 'down') return;
    this.state = 'up';
    this.#world.note('starts', this);
  }

  freeze(): void {
    if (this.state !== 'up') return;
    this.state = 'frozen';
    this.#frozenAtMs = this.monotonicMs;
    this.#world.note('stands still', this);
  }

  thaw(): void {
    if (this.state !== 'frozen') return;
    this.state = 'up';
    if (this.monotonicMs - this.#frozenAtMs > LEASE_MS) this.longStandstills += 1;
    this.#world.note(`goes on, with ${this.held.length} events behind`, this);
    for (const run of this.held.splice(0)) this.#world.schedule(this, 0, run);
  }
}
