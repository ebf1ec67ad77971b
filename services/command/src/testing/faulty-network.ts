import type { AppendOptions, AppendResult, Broker, Bus, StreamStore } from '@muster/bus';
import { sleep, type Clock } from '@muster/runtime';

/** Probabilities of faults, and the longest delay in milliseconds. */
export interface NetworkFaults {
  drop: number;
  double: number;
  delay: number;
  maxDelayMs: number;
  /** The acknowledgement of an append is lost, after it was stored or before. */
  lostAck: number;
}

export const NO_FAULTS: NetworkFaults = { drop: 0, double: 0, delay: 0, maxDelayMs: 0, lostAck: 0 };

/** A network that drops, doubles, delays and thereby reorders messages, with the current faults. */
export class FaultyNetwork {
  faults: NetworkFaults = NO_FAULTS;
  readonly #random: Random;
  readonly #clock: Clock;

  constructor(random: Random, clock: Clock) {
    this.#random = random;
    this.#clock = clock;
  }

  /** Delivers once, twice, late, or not at all. */
  readonly carry = (deliver: () => void): void => {
    const { drop, double, delay, maxDelayMs } = this.faults;
    if (this.#random.chance(drop)) return;
    const once = (): void => {
      if (!this.#random.chance(delay)) deliver();
      else this.#clock.setTimeout(deliver, this.#random.below(maxDelayMs));
    };
    once();
    if (this.#random.chance(double)) once();
  };

  bus(bus: Bus): Bus {
    return through(bus, {
      publish: (subject, data) => {
        this.carry(() => void bus.publish(subject, data));
        return 'sent';
      },
    });
  }

  wrap = ({ bus, streams }: Broker): { readonly bus: Bus; readonly streams: StreamStore } => ({
    bus: this.bus(bus),
    streams: through(streams, { append: (subject, data, options) => this.#append(streams, subject, data, options) }),
  });

  async #append(
    streams: StreamStore,
    subject: string,
    data: Uint8Array,
    options: AppendOptions = {},
  ): Promise<AppendResult> {
    const lost = { kind: 'unavailable', maybeStored: true, cause: new Error('lost') } as const;
    if (this.#random.chance(this.faults.delay)) await sleep(this.#clock, this.#random.below(this.faults.maxDelayMs));
    if (!this.#random.chance(this.faults.lostAck)) return streams.append(subject, data, options);
    if (this.#random.chance(0.5)) await streams.append(subject, data, options);
    return lost;
  }
}

/** The same object with some methods of its own. */
function through<T extends object>(inner: T, own: Partial<T>): T {
  return new Proxy(inner, {
    get: (target, name) => {
      if (Object.hasOwn(own, name)) return own[name as keyof T];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Random numbers that depend only on the seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) | 0;
  }

  /** From 0 up to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}
