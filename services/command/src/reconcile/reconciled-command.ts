import type { CommandState, GatewayId } from '@muster/protocol';
import type { OpenCommand } from '../journal/open-command.js';

/** How often deadlines are checked while targets of a command are under way. */
export const CHECK_MS = 1_000;
/** States in which an agent may have the command. */
export const ON_ENDPOINTS: readonly CommandState[] = ['sent', 'accepted', 'running'];

/** For so long reports are under way at most: the longest pause between their repetitions, and some. */
const OLD_NEWS_MS = 60_000;
const RETRY = { firstMs: 5_000, lastMs: 60_000 } as const;
/** One of so many retries includes endpoints in the mode poll. */
const POLLED_EVERY = 15;
const LOOK = { firstMs: 1_000, lastMs: 300_000 } as const;

/** What this process still has to do about a command. All of it may be lost, because it can be derived from the journal. */
export class ReconciledCommand {
  readonly command: OpenCommand;
  /** State `sent`: to be delivered now, with the gateway where it is known. */
  toDeliver = new Map<number, GatewayId | undefined>();
  /** State `queued`, and the agent is connected: a `sent` entry is to be written. */
  toSend = new Map<number, GatewayId | undefined>();
  /** Cancelled while they may run: the agents are to be told. */
  toCancel = new Map<number, GatewayId | undefined>();
  /** The gateways of agents at the time of their `sent` entry. */
  readonly hints = new Map<number, GatewayId>();
  /** State `sent`, and not connected at the last look-up. */
  readonly absent = new Set<number>();
  /**
   * Endpoints that may have it, and were not asked since this service began to hear or took the command over. They are
   * offered it once: an endpoint repeats what it knows, and takes what it has forgotten.
   */
  toOffer = new Set<number>();
  /** Since this service hears, or has the command. */
  #resumedMs = Number.NEGATIVE_INFINITY;
  /** Sent, or offered once more, since then: what these say is no old news. */
  readonly #asked = new Set<number>();
  /** When the endpoint was announced, since it was delivered. */
  readonly arrivedMs = new Map<number, number>();
  /** Its report is overdue, and it has no session over which it could report. */
  readonly away = new Set<number>();
  /**
   * Delivered to agents in the mode poll. The delivery waits at their gateway, and a session on another gateway announces
   * itself, so frequent retries would only cost.
   */
  readonly polled = new Set<number>();
  /** Targets sent since the last audit record of a delivery. */
  fresh = 0;
  /** Connected agents had to wait, because the wave of the rollout was full. */
  heldBack = false;
  working = false;
  /** When deadlines are checked next: expiry, rollout. */
  checkMs = 0;
  retryMs = Number.POSITIVE_INFINITY;
  /** When the agents of queued targets are looked up. */
  lookMs = Number.POSITIVE_INFINITY;
  /** When endpoints with overdue reports are looked up next. */
  awayLookMs = 0;
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

  /** The time was set by so much: what was noted, and what is planned, is as far away as it was. */
  timeSet(byMs: number): void {
    this.checkMs += byMs;
    this.retryMs += byMs;
    this.lookMs += byMs;
    this.awayLookMs += byMs;
    this.#resumedMs += byMs;
    for (const [target, atMs] of this.arrivedMs) this.arrivedMs.set(target, atMs + byMs);
  }

  /** What the endpoints know is not known here: they are offered everything that is open, once. */
  resume(atMs: number): void {
    this.#resumedMs = atMs;
    this.#asked.clear();
    this.toOffer = new Set(this.command.fold.inState('accepted', 'running'));
    this.retryMs = Math.min(this.retryMs, atMs);
  }

  /**
   * The endpoint said that it has the command. Soon after a resumption that may be old news, from before it came back,
   * which this service did not hear: it is offered once too.
   */
  taken(target: number, nowMs: number): void {
    if (nowMs - this.#resumedMs > OLD_NEWS_MS || this.#asked.has(target)) return;
    this.#asked.add(target);
    this.toOffer.add(target);
    this.retryLater(nowMs);
  }

  /** It is to be delivered now. */
  sent(target: number, nowMs: number): void {
    if (nowMs - this.#resumedMs <= OLD_NEWS_MS) this.#asked.add(target);
  }

  arrived(target: number, nowMs: number): void {
    this.heardOf(target);
    this.arrivedMs.set(target, nowMs);
  }

  /** The target changed, or its endpoint is back: what was noted about its absence is over. */
  heardOf(target: number): void {
    for (const noted of [this.absent, this.polled, this.away, this.toOffer, this.arrivedMs]) noted.delete(target);
  }

  /** Something was sent: without a report it is repeated soon. */
  expectAnswers(nowMs: number): void {
    this.#retryDelayMs = RETRY.firstMs;
    this.retryMs = Math.min(this.retryMs, nowMs + RETRY.firstMs);
  }

  /** Something did not reach its endpoint: it is among the next retries. */
  retryLater(nowMs: number): void {
    this.retryMs = Math.min(this.retryMs, nowMs + this.#retryDelayMs);
  }

  /** Whether this retry includes agents in the mode poll: their delivery may have been lost. */
  get triesPolled(): boolean {
    return this.#tries % POLLED_EVERY === 0;
  }

  /** Schedules the next retry, later each time. */
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
