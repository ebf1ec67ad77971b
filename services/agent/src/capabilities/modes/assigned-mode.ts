import { join } from 'node:path';
import { CAPABILITY, LIMITS, type ModeBody, SESSION_MODES, type SessionMode, type WelcomeBody } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import { z } from 'zod';
import type { Capability } from '../../contract/capability.js';
import type { Session } from '../../contract/session.js';
import type { DesiredMode, ModeSetting } from '../../contract/desired-mode.js';
import type { FrameHandlers } from '../../contract/session-frames.js';
import { readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';

export interface AssignedModeOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Until a gateway assigns a mode. */
const DEFAULT_SETTING: ModeSetting = { mode: 'live', intervalMs: LIMITS.pollIntervalMs };
/** The change at the end of a lease is spread over its length divided by this, but at most over `MAX_END_SPREAD_MS`. */
const END_SPREAD_DIVISOR = 20;
const MAX_END_SPREAD_MS = 60_000;
/** Timers can hold no more than 24 days. */
const LONGEST_TIMER_MS = 24 * 3_600_000;

const settingSchema = z.object({
  mode: z.enum(SESSION_MODES),
  intervalMs: z.int().min(LIMITS.pollIntervalMinMs).max(LIMITS.pollIntervalMaxMs),
});
const fileSchema = settingSchema.extend({
  /** A lease: until when the setting applies, how long it was given for, and what applies after it. */
  lease: z.object({ untilMs: z.int(), forMs: z.int().min(0), next: settingSchema }).optional(),
});
type Assignment = z.infer<typeof fileSchema>;

/**
 * The mode that gateways assigned to this agent, in WELCOME and in MODE. It is stored as `mode.json` in the data
 * directory. A lease ends by itself. While the agent runs, the lease is measured with the monotonic clock; a system
 * clock that was set back cannot make it longer than it was given for.
 */
export class AssignedMode implements DesiredMode, Capability {
  readonly fallsBack = true;
  readonly frames: FrameHandlers = { mode: (body) => this.#onMode(body) };
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #assigned: Assignment | undefined;
  /** End of the lease, on the monotonic clock. */
  #endsAtMs = 0;
  #timer: Timer | undefined;
  /** The spread of the last assignment. */
  #spreadMs = 0;
  #onChange: (spreadMs: number) => void = () => {};

  constructor({ folder, clock, logger }: AssignedModeOptions) {
    this.#path = join(folder, 'mode.json');
    this.#clock = clock;
    this.#logger = logger;
    this.#assigned = this.#read();
    const lease = this.#assigned?.lease;
    if (lease !== undefined) this.#endsAtMs = clock.monotonic() + Math.min(lease.untilMs - clock.now(), lease.forMs);
  }

  get setting(): ModeSetting {
    if (this.#assigned === undefined) return DEFAULT_SETTING;
    const { lease } = this.#assigned;
    return lease !== undefined && this.#clock.monotonic() >= this.#endsAtMs ? lease.next : this.#assigned;
  }

  flags(): readonly string[] {
    return [CAPABILITY.mode];
  }

  ready(_session: Session, { mode }: WelcomeBody): void {
    if (mode !== undefined) this.#assign(mode);
  }

  start(onChange: (spreadMs: number) => void): void {
    this.#onChange = onChange;
    this.#arm();
  }

  stop(): void {
    this.#clock.clear(this.#timer);
  }

  #onMode(body: ModeBody): void {
    const { mode, intervalMs, reason, spreadMs } = body;
    this.#logger.info('mode assigned', { mode, intervalMs, reason });
    this.#assign(body);
    this.#onChange(spreadMs);
  }

  /** Replaces the assignment. If it cannot be stored, it is only lost after a restart. */
  #assign({ mode, intervalMs, lease, spreadMs }: ModeBody): void {
    this.#spreadMs = spreadMs;
    const { next, forMs = 0 } = lease ?? {};
    this.#endsAtMs = this.#clock.monotonic() + forMs;
    const assigned: Assignment = {
      mode,
      intervalMs,
      ...(next === undefined ? {} : { lease: { untilMs: this.#clock.now() + forMs, forMs, next } }),
    };
    const isNew = JSON.stringify(assigned) !== JSON.stringify(this.#assigned);
    this.#assigned = assigned;
    this.#arm();
    if (isNew) this.#write(assigned);
  }

  #arm(): void {
    this.#clock.clear(this.#timer);
    this.#timer = undefined;
    const leftMs = this.#endsAtMs - this.#clock.monotonic();
    if (this.#assigned?.lease === undefined || leftMs <= 0) return;
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#arm();
        if (this.#timer === undefined) this.#onChange(this.#endSpreadMs());
      },
      Math.min(leftMs, LONGEST_TIMER_MS),
    );
  }

  /**
   * Agents whose leases began together would otherwise all change together when the leases end. How many they are is
   * not known here, and the spread of the assignment counted only the agents that changed then.
   */
  #endSpreadMs(): number {
    const { forMs = 0 } = this.#assigned?.lease ?? {};
    return Math.max(this.#spreadMs, Math.min(MAX_END_SPREAD_MS, forMs / END_SPREAD_DIVISOR));
  }

  #read(): Assignment | undefined {
    try {
      const text = readFileIfThere(this.#path);
      return text === undefined ? undefined : fileSchema.parse(JSON.parse(text));
    } catch (error) {
      this.#logger.warn('the assigned mode cannot be read; the default mode is used', { path: this.#path, err: error });
      return undefined;
    }
  }

  #write(assigned: Assignment): void {
    try {
      writeFileAtomic(this.#path, `${JSON.stringify(assigned)}\n`);
    } catch (error) {
      this.#logger.error('the assigned mode cannot be stored', { path: this.#path, err: error });
    }
  }
}

/** One mode, whatever gateways say (`MUSTER_AGENT_MODE`). */
export function pinnedMode(mode: SessionMode): DesiredMode & Capability {
  return {
    flags: () => [],
    setting: { mode, intervalMs: LIMITS.pollIntervalMs },
    fallsBack: false,
    start: () => {},
    stop: () => {},
  };
}
