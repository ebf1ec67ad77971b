import type { Clock } from '@muster/runtime';

/** Heartbeats come every second. An instance that was not heard for this long may stand still. */
export const SILENCE_MS = 1_500;
/** An instance that starts or was silent may be behind what is stored; for this long others are preferred. */
const SETTLE_MS = 5_000;

/** What a heartbeat says of its sender. */
export interface InstanceHeartbeat {
  readonly id: string;
  readonly stopping: boolean;
  /** Its clock. Absent: an older version, which listens to the queue group alone. */
  readonly nowMs?: number;
  readonly version?: string;
}

interface Instance {
  readonly version: string | undefined;
  /** On the monotonic clock of this process. */
  readonly heardMs: number;
  /** Since when it has not been silent. */
  readonly steadySinceMs: number;
  /** Its clock minus the monotonic clock of this process. */
  readonly aheadMs: number;
}

/** The instances of a service that live, by their heartbeats. Whoever listens to those passes them on to `heard`. */
export class ServiceInstances {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #instances = new Map<string, Instance>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  heard({ id, stopping, nowMs, version }: InstanceHeartbeat): void {
    const heardMs = this.#clock.monotonic();
    if (stopping || nowMs === undefined) this.#instances.delete(id);
    else {
      const known = this.#instances.get(id);
      const wasSilent = known === undefined || heardMs - known.heardMs >= 2 * SILENCE_MS;
      const steadySinceMs = wasSilent ? heardMs : known.steadySinceMs;
      this.#instances.set(id, { heardMs, aheadMs: nowMs - heardMs, steadySinceMs, version });
    }
  }

  /** Any of those that were heard a moment ago, but none of these; one of long standing if there is one. */
  pick(except?: ReadonlySet<string>): string | undefined {
    const nowMs = this.#clock.monotonic();
    const live: string[] = [];
    const steady: string[] = [];
    for (const [id, { heardMs, steadySinceMs }] of this.#instances) {
      if (nowMs - heardMs >= SILENCE_MS || except?.has(id) === true) continue;
      live.push(id);
      if (nowMs - steadySinceMs >= SETTLE_MS) steady.push(id);
    }
    const from = steady.length > 0 ? steady : live;
    return from[Math.floor(Math.random() * from.length)];
  }

  /** All that were heard a moment ago. */
  live(): string[] {
    return [...this.#instances.keys()].filter((id) => !this.isSilent(id));
  }

  /** The one that was heard last, if that is no longer ago: heartbeats come late from a busy machine. */
  latest(withinMs: number): string | undefined {
    let latest: string | undefined;
    for (const id of this.#instances.keys()) {
      if (latest === undefined || this.heardMs(id) > this.heardMs(latest)) latest = id;
    }
    return latest !== undefined && this.#clock.monotonic() - this.heardMs(latest) < withinMs ? latest : undefined;
  }

  /** All that were heard within a time and have not stopped in order, with how long ago. */
  heardWithin(ms: number): { readonly id: string; readonly version: string | undefined; readonly agoMs: number }[] {
    const nowMs = this.#clock.monotonic();
    return [...this.#instances]
      .map(([id, { version, heardMs }]) => ({ id, version, agoMs: nowMs - heardMs }))
      .filter(({ agoMs }) => agoMs <= ms);
  }

  isSilent(id: string): boolean {
    return this.#clock.monotonic() - this.heardMs(id) >= SILENCE_MS;
  }

  /** When it was last heard (monotonic); never: `-Infinity`. */
  heardMs(id: string): number {
    return this.#instances.get(id)?.heardMs ?? Number.NEGATIVE_INFINITY;
  }

  /** The present on the instance's own clock, so that no two clocks need agree; `undefined` when it was never heard. */
  nowAt(id: string): number | undefined {
    const instance = this.#instances.get(id);
    return instance === undefined ? undefined : instance.aheadMs + this.#clock.monotonic();
  }

  /** The present on the clock of whichever instance is furthest ahead; `undefined` when none was ever heard. */
  latestNow(): number | undefined {
    const ahead = [...this.#instances.values()].map(({ aheadMs }) => aheadMs);
    return ahead.length === 0 ? undefined : Math.max(...ahead) + this.#clock.monotonic();
  }

  /** Nothing listens on its subject: it is not picked until it is heard again. */
  gone(id: string): void {
    this.#instances.delete(id);
  }
}
