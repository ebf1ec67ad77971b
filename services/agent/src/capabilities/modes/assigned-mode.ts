import { join } from 'node:path';
import { LIMITS, type ModeBody, SESSION_MODES, type SessionMode } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import { z } from 'zod';
import { readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';

/** Which channel to use, and how often to poll. */
export interface ModeSetting {
  readonly mode: SessionMode;
  readonly intervalMs: number;
}

/** What says which channel to use. */
export interface DesiredMode {
  /** What counts now. */
  readonly setting: ModeSetting;
  /** Poll may take the place of Live while that cannot be had. */
  readonly fallsBack: boolean;
  /** A gateway says what counts from now on. */
  tell(body: ModeBody): void;
  /** From now on `onChange` is called when the setting changes by itself, with the spread that the change is to have. */
  start(onChange: (spreadMs: number) => void): void;
  stop(): void;
}

export interface AssignedModeOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Before it was ever told. */
const DEFAULT_SETTING: ModeSetting = { mode: 'live', intervalMs: LIMITS.pollIntervalMs };
/** A lease's end is spread over this part of its time, and no more than so long. */
const END_SPREAD_PART = 20;
const MAX_END_SPREAD_MS = 60_000;
/** Timers hold no more than 24 days. */
const LONGEST_TIMER_MS = 24 * 3_600_000;

const settingSchema = z.object({
  mode: z.enum(SESSION_MODES),
  intervalMs: z.int().min(LIMITS.pollIntervalMinMs).max(LIMITS.pollIntervalMaxMs),
});
const fileSchema = settingSchema.extend({
  /** A lease: until when this counts, how long it was given for, and what counts then. */
  lease: z.object({ untilMs: z.int(), forMs: z.int().min(0), next: settingSchema }).optional(),
});
type Told = z.infer<typeof fileSchema>;

/**
 * Which channel the gateways told this agent to use; kept in the data directory over restarts. A lease ends by itself. It is measured with the clock that
 * never jumps while the agent runs; a machine's clock that was set back meanwhile does not make it longer than it was given for.
 */
export class AssignedMode implements DesiredMode {
  readonly fallsBack = true;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #told: Told | undefined;
  /** When the lease ends, by the monotonic clock. */
  #endsAtMs = 0;
  #timer: Timer | undefined;
  /** As the change to what counts now was spread. */
  #spreadMs = 0;
  #onLeaseEnd: (spreadMs: number) => void = () => {};

  constructor({ folder, clock, logger }: AssignedModeOptions) {
    this.#path = join(folder, 'mode.json');
    this.#clock = clock;
    this.#logger = logger;
    this.#told = this.#read();
    const lease = this.#told?.lease;
    if (lease !== undefined) this.#endsAtMs = clock.monotonic() + Math.min(lease.untilMs - clock.now(), lease.forMs);
  }

  get setting(): ModeSetting {
    if (this.#told === undefined) return DEFAULT_SETTING;
    const { lease } = this.#told;
    return lease !== undefined && this.#clock.monotonic() >= this.#endsAtMs ? lease.next : this.#told;
  }

  start(onChange: (spreadMs: number) => void): void {
    this.#onLeaseEnd = onChange;
    this.#arm();
  }

  stop(): void {
    this.#clock.clear(this.#timer);
  }

  /** Takes the place of everything that was told before. A disk that refuses costs this after a restart, no more. */
  tell({ mode, intervalMs, lease, spreadMs }: ModeBody): void {
    this.#spreadMs = spreadMs;
    const { next, forMs = 0 } = lease ?? {};
    this.#endsAtMs = this.#clock.monotonic() + forMs;
    const told: Told = {
      mode,
      intervalMs,
      ...(next === undefined ? {} : { lease: { untilMs: this.#clock.now() + forMs, forMs, next } }),
    };
    const isNew = JSON.stringify(told) !== JSON.stringify(this.#told);
    this.#told = told;
    this.#arm();
    if (isNew) this.#write(told);
  }

  #arm(): void {
    this.#clock.clear(this.#timer);
    this.#timer = undefined;
    const leftMs = this.#endsAtMs - this.#clock.monotonic();
    if (this.#told?.lease === undefined || leftMs <= 0) return;
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#arm();
        if (this.#timer === undefined) this.#onLeaseEnd(this.#endSpreadMs());
      },
      Math.min(leftMs, LONGEST_TIMER_MS),
    );
  }

  /**
   * All who got a lease at one moment would otherwise change at one moment when it ends. How many they are is not known here, and what was told of it may be
   * long ago, or be about those only who had to change when it was told.
   */
  #endSpreadMs(): number {
    const { forMs = 0 } = this.#told?.lease ?? {};
    return Math.max(this.#spreadMs, Math.min(MAX_END_SPREAD_MS, forMs / END_SPREAD_PART));
  }

  #read(): Told | undefined {
    try {
      const text = readFileIfThere(this.#path);
      return text === undefined ? undefined : fileSchema.parse(JSON.parse(text));
    } catch (error) {
      this.#logger.warn('the channel that was told cannot be read: as if never told', { path: this.#path, err: error });
      return undefined;
    }
  }

  #write(told: Told): void {
    try {
      writeFileAtomic(this.#path, `${JSON.stringify(told)}\n`);
    } catch (error) {
      this.#logger.error('the channel that was told cannot be stored', { path: this.#path, err: error });
    }
  }
}

/** One channel, whatever gateways say: for machines whose administrator knows better. */
export function pinnedMode(mode: SessionMode): DesiredMode {
  return {
    setting: { mode, intervalMs: LIMITS.pollIntervalMs },
    fallsBack: false,
    tell: () => {},
    start: () => {},
    stop: () => {},
  };
}
