import { EPOCH_MS, type SimulatedProcess, type World } from '../world/world.js';
import type { Brokers } from '../nodes/parts.js';
import { FaultLog } from '../properties/fault-log.js';
import type { Fault } from '../plans/plan.js';

/** What can be struck. */
export interface Struck {
  readonly brokers: Brokers;
  readonly services: ReadonlyMap<string, { readonly process: SimulatedProcess; start(): void }>;
}

/** The faults of a history: when the last one that happened is over. */
export class Faults {
  /** Counted from the beginning. */
  overMs = 0;
  readonly log = new FaultLog();
  readonly #world: World;
  readonly #fate: SimulatedProcess;
  readonly #struck: Struck;

  constructor(world: World, struck: Struck) {
    this.#world = world;
    this.#fate = world.process('fate');
    this.#struck = struck;
  }

  /** Lets it happen when its time has come. */
  plan(fault: Fault): void {
    const { when } = fault;
    if ('atMs' in when) {
      this.overMs = Math.max(this.overMs, when.atMs + fault.forMs);
      this.#after(EPOCH_MS + when.atMs - this.#world.nowMs, () => this.#begin(fault, fault.target));
      return;
    }
    const { moment, nth, afterMs } = when;
    const run = (by: SimulatedProcess): void => {
      const target = fault.target === 'self' ? by.name : fault.target;
      this.overMs = Math.max(this.overMs, this.#world.nowMs - EPOCH_MS + afterMs + fault.forMs);
      this.#world.note(`"${moment}" for the ${nth}. time`, by);
      this.#after(afterMs, () => this.#begin(fault, target));
    };
    this.#world.moments.watch({ moment, nth, run });
  }

  #after(delayMs: number, run: () => void): void {
    this.#world.schedule(this.#fate, delayMs, run);
  }

  #begin(fault: Fault, target: string): void {
    const { brokers, services } = this.#struck;
    const { nats, redis } = brokers;
    const service = services.get(target);
    const process = service?.process ?? { nats: nats.process, redis: redis.process }[target];
    // Who made the moment may be nobody that can be struck.
    if (process === undefined) return;
    this.log.add({ kind: fault.kind, target, fromMs: this.#world.nowMs, toMs: this.#world.nowMs + fault.forMs });
    const over = (run: () => void): void => this.#after(fault.forMs, run);
    switch (fault.kind) {
      case 'kill':
        if (target === 'nats') nats.kill();
        else if (target === 'redis') redis.kill();
        else process.kill();
        return over(() => {
          if (process.state !== 'down') return;
          process.revive();
          service?.start();
        });
      case 'freeze':
        process.freeze();
        return over(() => process.thaw());
      case 'cut':
        return process.breakConnections();
      case 'stall':
        return this.#stall(process, fault);
      case 'jump':
        this.#world.note(`its clock jumps by ${fault.byMs} ms`, process);
        process.skewMs += fault.byMs ?? 0;
        return over(() => {
          process.skewMs -= fault.byMs ?? 0;
        });
      case 'empty redis':
        this.#world.note('is emptied', redis.process);
        return redis.store.empty();
      case 'no streams':
        this.#world.note('has no leader for its streams', nats.process);
        nats.loseStreams(true);
        return over(() => {
          this.#world.note('has a leader again', nats.process);
          nats.loseStreams(false);
        });
      case 'full': {
        const broker = target === 'nats' ? nats : redis;
        this.#world.note('is full', broker.process);
        broker.isFull = true;
        return over(() => {
          this.#world.note('has room again', broker.process);
          broker.isFull = false;
        });
      }
    }
  }

  #stall(process: SimulatedProcess, { forMs, way = 'both' }: Fault): void {
    this.#world.note(
      `its network holds back what goes ${way === 'both' ? 'in and out' : way} for ${forMs} ms`,
      process,
    );
    const untilMs = this.#world.nowMs + forMs;
    const { stalledUntilMs } = process;
    if (way !== 'out') stalledUntilMs.in = Math.max(stalledUntilMs.in, untilMs);
    if (way !== 'in') stalledUntilMs.out = Math.max(stalledUntilMs.out, untilMs);
  }
}
