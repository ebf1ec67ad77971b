import { clipMessage, LIMITS, type ReportBody } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime/program';
import type { SendResult } from '../../contract/session.js';
import { type CommandKey, keyText, type Outcome } from './history-entry.js';

/** Sends a report over the active session. */
export type SendReport = (report: ReportBody, options: { readonly urgent: boolean }) => SendResult;

export interface ReportSenderOptions {
  readonly clock: Clock;
  readonly random?: () => number;
  /** The outcome is in the journal: it is not reported again, not even after a restart. */
  readonly onKept: (key: CommandKey) => void;
}

interface Pending {
  readonly key: CommandKey;
  readonly report: ReportBody;
  attempts: number;
  timer: Timer | undefined;
}

const FIRST_REPEAT_MS = 1_000;
const LONGEST_REPEAT_MS = 30_000;
/** Of many pending reports, this many are sent at once and the others a second later, because gateways drop floods. */
const BURST = 200;
const BURST_EVERY_MS = 1_000;

/**
 * Sends outcomes, over as many sessions as it takes, until the gateway confirms that they are in the journal
 * (REPORT_KEPT): at the start of each session, and again after 1 s, 2 s, 4 s … 30 s, each ±25 %. Reports of progress
 * are sent once.
 */
export class ReportSender {
  readonly #options: ReportSenderOptions;
  readonly #pending = new Map<string, Pending>();
  #send: SendReport | undefined;
  /** Set while some pending reports have not been sent over this session yet. */
  #rest: Timer | undefined;

  constructor(options: ReportSenderOptions) {
    this.#options = options;
  }

  /** Outcomes that are not confirmed yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Sends an outcome until it is confirmed. Only authentic commands have one. */
  settle(key: CommandKey, outcome: Outcome): void {
    const text = keyText(key);
    const pending = this.#pending.get(text) ?? {
      key,
      report: reportOf(key, outcome, true),
      attempts: 0,
      timer: undefined,
    };
    this.#pending.set(text, pending);
    this.#sendOnce(pending);
  }

  /** Sends a report once. */
  mention(report: ReportBody): void {
    this.#send?.(report, { urgent: true });
  }

  /** A gateway confirmed it. */
  kept(key: CommandKey): void {
    const pending = this.#pending.get(keyText(key));
    if (pending === undefined) return;
    this.#options.clock.clear(pending.timer);
    this.#pending.delete(keyText(key));
    this.#options.onKept(key);
  }

  /** A session is active: all pending reports are sent over it. */
  attach(send: SendReport): void {
    this.#send = send;
    this.#clearTimers();
    for (const pending of this.#pending.values()) pending.attempts = 0;
    this.resume();
  }

  /** The session is over. */
  detach(): void {
    this.#send = undefined;
    this.#clearTimers();
  }

  /** There is room again after a send returned `full`. */
  resume(): void {
    if (this.#rest !== undefined) return;
    let room = BURST;
    for (const pending of this.#pending.values()) {
      if (pending.timer !== undefined) continue;
      if (room === 0) {
        this.#rest = this.#options.clock.setTimeout(() => {
          this.#rest = undefined;
          this.resume();
        }, BURST_EVERY_MS);
        return;
      }
      room -= 1;
      if (!this.#sendOnce(pending)) return;
    }
  }

  stop(): void {
    this.#send = undefined;
    this.#clearTimers();
  }

  /** Sends it and plans the next time. `false` when the session takes nothing now. */
  #sendOnce(pending: Pending): boolean {
    const { clock } = this.#options;
    clock.clear(pending.timer);
    pending.timer = undefined;
    if (this.#send?.(pending.report, { urgent: false }) !== 'sent') return false;
    const delayMs = Math.min(FIRST_REPEAT_MS * 2 ** pending.attempts, LONGEST_REPEAT_MS);
    pending.attempts += 1;
    const spread = 0.75 + 0.5 * (this.#options.random ?? Math.random)();
    pending.timer = clock.setTimeout(() => this.#sendOnce(pending), delayMs * spread);
    return true;
  }

  #clearTimers(): void {
    this.#options.clock.clear(this.#rest);
    this.#rest = undefined;
    for (const pending of this.#pending.values()) {
      this.#options.clock.clear(pending.timer);
      pending.timer = undefined;
    }
  }
}

/** The body of a REPORT; texts are cut to the limits of the protocol. */
export function reportOf(
  { id, number }: CommandKey,
  {
    state,
    code,
    message,
    effects,
  }: { readonly [K in keyof Outcome]: K extends 'state' ? ReportBody['state'] : Outcome[K] },
  authentic: boolean,
): ReportBody {
  return {
    id,
    number,
    state,
    code: code.slice(0, 64),
    message: clipMessage(message),
    ...(effects !== undefined && effects.length > 0 && { effects: effects.slice(0, LIMITS.effects).map(clipLine) }),
    authentic,
  };
}

function clipLine(line: string): string {
  return line.length <= LIMITS.effectBytes ? line : `${line.slice(0, LIMITS.effectBytes - 1).toWellFormed()}…`;
}
