import type { ApiClient } from '@muster/api-client';
import type { LedgerJson, QueryJson } from '@muster/api-contract';
import { escapeControls } from '../terminal/escape.js';
import { counted } from '../terminal/listing.js';

/** After so long without an answer it is said who is waited for. */
export const SILENT_MS = 5_000;
/** More than these are only counted. */
const NAMED = 3;
const LOOK_MS = 1_000;

export interface SilenceOptions {
  readonly client: Pick<ApiClient, 'call'>;
  readonly query: Pick<QueryJson, 'id'>;
  /** Shows `text` for now. `isNew`: it names others than before. */
  readonly tell: (text: string, isNew: boolean) => void;
  /** Changed in tests. */
  readonly silentMs?: number;
}

/** Says who holds a query up, while nobody answers. */
export class SilenceMonitor {
  readonly #options: SilenceOptions;
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #changedMs = performance.now();
  #settled = -1;
  /** Without those that poll: they answer when they next come, which is said elsewhere. */
  #waiting = 0;
  /** Who they are, once it was asked. */
  #names: string | undefined;
  #told: string | undefined;
  #isAsking = false;

  constructor(options: SilenceOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), Math.min(LOOK_MS, options.silentMs ?? SILENT_MS));
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#waiting = 0;
  }

  /** Something was heard. `polling`: how many of those that are waited for poll. */
  see({ targeted, waiting }: Pick<LedgerJson, 'targeted' | 'waiting'>, polling = 0): void {
    this.#waiting = Math.max(0, waiting - polling);
    if (targeted - waiting === this.#settled) return;
    this.#settled = targeted - waiting;
    this.#changedMs = performance.now();
    this.#names = undefined;
  }

  async #look(): Promise<void> {
    const silentMs = this.#options.silentMs ?? SILENT_MS;
    if (this.#waiting === 0 || performance.now() - this.#changedMs < silentMs || this.#isAsking) return;
    this.#isAsking = true;
    this.#names ??= await this.#askNames();
    this.#isAsking = false;
    // Somebody may have answered meanwhile.
    if (this.#waiting === 0 || this.#names === undefined) return;
    const seconds = Math.round((performance.now() - this.#startedMs) / 1_000);
    const isNew = this.#names !== this.#told;
    this.#told = this.#names;
    this.#options.tell(`waiting for ${this.#names}, silent ${seconds} s`, isNew);
  }

  /** `1 endpoint: web-1`; without the names where the server cannot tell them. */
  async #askNames(): Promise<string> {
    const count = counted(this.#waiting, 'endpoint');
    if (this.#waiting > NAMED) return count;
    try {
      const { items } = await this.#options.client.call('GET /v1/queries/{id}/endpoints', {
        params: { id: this.#options.query.id },
        query: { outcome: 'waiting', limit: NAMED },
      });
      const names = items.map(({ host, num }) => escapeControls(host ?? `#${num}`));
      return names.length === 0 ? count : `${count}: ${names.join(', ')}`;
    } catch {
      return count;
    }
  }
}
