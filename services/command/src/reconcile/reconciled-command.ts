import type { GatewayId } from '@muster/protocol';
import type { OpenCommand } from '../journal/open-command.js';

const RETRY = { firstMs: 5_000, lastMs: 60_000 } as const;
/** Of so many retries one is for endpoints that poll too. */
const POLLED_EVERY = 15;
const LOOK = { firstMs: 1_000, lastMs: 300_000 } as const;

/** What this process has in mind to do about a command that it drives. All of it may be lost: the journal is what counts. */
export class ReconciledCommand {
  readonly command: OpenCommand;
  /** Sent according to the journal, to be delivered now; with the gateway where it is known. */
  toDeliver = new Map<number, GatewayId | undefined>();
  /** Queued, and their agent is there: to be written down as sent. */
  toSend = new Map<number, GatewayId | undefined>();
  /** Cancelled while they may run: to be told. */
  toCancel = new Map<number, GatewayId | undefined>();
  /** Where agents were when they were written down as sent. */
  readonly hints = new Map<number, GatewayId>();
  /** Sent, and not connected when last looked for. */
  readonly absent = new Set<number>();
  /**
   * Delivered, and their agents poll: it waits at their gateway, and a session that begins elsewhere announces itself. To say it every minute to those
   * who come every hour would only cost.
   */
  readonly polled = new Set<number>();
  /** Newly sent since the last audit record of a delivery. */
  fresh = 0;
  /** Agents that are there had to wait because the wave of the rollout was full. */
  heldBack = false;
  working = false;
  /** When the clock has to be looked at: expiry, rollout. */
  checkMs = 0;
  /** When sent targets are delivered to again. */
  retryMs = Number.POSITIVE_INFINITY;
  /** When the agents of queued targets are looked for. */
  lookMs = Number.POSITIVE_INFINITY;
  #retryDelayMs: number = RETRY.firstMs;
  #tries = 0;
  #lookDelayMs: number = LOOK.firstMs;

  constructor(command: OpenCommand) {
    this.command = command;
  }

  get hasWork(): boolean {
    return this.toDeliver.size + this.toSend.size + this.toCancel.size > 0;
  }

  get dueMs(): number {
    return Math.min(this.checkMs, this.retryMs, this.lookMs);
  }

  /** Something new was sent: it is tried again soon if no word comes. */
  expectAnswers(nowMs: number): void {
    this.#retryDelayMs = RETRY.firstMs;
    this.retryMs = Math.min(this.retryMs, nowMs + RETRY.firstMs);
  }

  /** Whether this try is for those who poll too: what was said to them may have been lost. */
  get triesPolled(): boolean {
    return this.#tries % POLLED_EVERY === 0;
  }

  /** Sets the next try, later each time. */
  tried(nowMs: number): void {
    this.#tries += 1;
    this.retryMs = nowMs + this.#retryDelayMs;
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, RETRY.lastMs);
  }

  lookSoon(nowMs: number): void {
    this.#lookDelayMs = LOOK.firstMs;
    this.lookMs = Math.min(this.lookMs, nowMs);
  }

  looked(nowMs: number): void {
    this.lookMs = nowMs + this.#lookDelayMs;
    this.#lookDelayMs = Math.min(this.#lookDelayMs * 2, LOOK.lastMs);
  }
}
