import type { LedgerJson } from '@muster/api-contract';
import { parseDurationMs } from '@muster/runtime/quantity';
import { usageError } from '../terminal/cli-error.js';

/**
 * When a viewer has seen enough. `share`: this part of the endpoints in scope has answered or failed. `count`: so many have answered.
 * `quiet`: none has for so long, be it that nobody has at all.
 */
export type Until =
  | { readonly kind: 'share'; readonly share: number }
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'quiet'; readonly quietMs: number };

/** @throws CliError for anything but `99%`, `500` and `10s-quiet` */
export function parseUntil(text: string): Until {
  const [, percent] = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text) ?? [];
  if (percent !== undefined && Number(percent) > 0 && Number(percent) <= 100)
    return { kind: 'share', share: Number(percent) / 100 };
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (Number.isSafeInteger(count) && count > 0) return { kind: 'count', count };
  const quietMs = text.endsWith('-quiet') ? parseDurationMs(text.slice(0, -'-quiet'.length)) : undefined;
  if (quietMs !== undefined && quietMs > 0) return { kind: 'quiet', quietMs };
  throw usageError(`--until ${text} is none`, '99%, 500 (answers), 10s-quiet');
}

/** Gateways say one after the other whom they asked: a share of the first ones is no share of all. */
const STEADY_MS = 500;

/** Looks at each ledger of a running query, and tells once when there is enough. */
export class EnoughMonitor {
  readonly #until: Until;
  readonly #onEnough: () => void;
  #timer: NodeJS.Timeout | undefined;
  #seen = { asked: -1, ended: -1 };

  constructor(until: Until, onEnough: () => void) {
    this.#until = until;
    this.#onEnough = onEnough;
  }

  see(ledger: LedgerJson): void {
    const { targeted, waiting, answered, empty } = ledger;
    const asked = targeted + (ledger.away ?? 0);
    const ended = targeted - waiting;
    const hasChanged = asked !== this.#seen.asked || ended !== this.#seen.ended;
    const isSteady = asked === this.#seen.asked;
    this.#seen = { asked, ended };
    const until = this.#until;
    if (until.kind === 'count') return answered + empty >= until.count ? this.#onEnough() : undefined;
    if (until.kind === 'quiet') return hasChanged ? this.#in(until.quietMs) : undefined;
    if (asked === 0 || ended < until.share * asked) return this.stop();
    if (!isSteady || this.#timer === undefined) this.#in(STEADY_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #in(delayMs: number): void {
    this.stop();
    this.#timer = setTimeout(this.#onEnough, delayMs);
  }
}
