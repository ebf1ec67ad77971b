import { AppError } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { RequestHandler } from 'express';

/** A view of what is kept at the broker. */
export interface View {
  /** Resolves when it has everything that is kept now. @throws when it cannot be read in time */
  current(): Promise<void>;
}

export interface StandstillGateOptions {
  readonly views: readonly View[];
  readonly clock: Clock;
  readonly logger: Logger;
}

const TICK_MS = 250;
/**
 * Without a tick for so long, this process stood still. A reader of the broker then asks anew, and has what was written
 * meanwhile only later.
 */
const STANDSTILL_MS = 1_000;

/**
 * Requests wait while this process does not know what others did while it stood still: a token that was revoked
 * meanwhile must not be accepted, nor something that was made be missing. Once the views are current they go on; as
 * long as these cannot be read they are refused.
 */
export class StandstillGate {
  readonly #options: StandstillGateOptions;
  #timer: Timer | undefined;
  /** The last tick on both clocks: that of a machine which is suspended goes on in only one of them. */
  #ticked: { readonly monotonicMs: number; readonly wallMs: number };
  #isStale = false;
  /** The look at the views that began after the last standstill. */
  #catchingUp: Promise<void> | undefined;

  constructor(options: StandstillGateOptions) {
    this.#options = options;
    this.#ticked = this.#moment();
  }

  start(): void {
    this.#ticked = this.#moment();
    this.#timer = this.#options.clock.setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  readonly handler: RequestHandler = (_request, _response, next) => {
    this.#tick();
    if (!this.#isStale) {
      next();
      return;
    }
    this.#catchingUp ??= this.#catchUp();
    this.#catchingUp.then(() => next(), next);
  };

  #tick(): void {
    const before = this.#ticked;
    this.#ticked = this.#moment();
    const { monotonicMs, wallMs } = this.#ticked;
    // A clock that was set forward costs one look.
    if (Math.max(monotonicMs - before.monotonicMs, wallMs - before.wallMs) <= STANDSTILL_MS) return;
    this.#isStale = true;
    this.#catchingUp = undefined;
  }

  #moment(): { readonly monotonicMs: number; readonly wallMs: number } {
    const { clock } = this.#options;
    return { monotonicMs: clock.monotonic(), wallMs: clock.now() };
  }

  #catchUp(): Promise<void> {
    const looking: Promise<void> = this.#look().then(
      () => this.#ended(looking, false),
      (fault: unknown) => {
        this.#ended(looking, true);
        throw fault;
      },
    );
    return looking;
  }

  /** A look that began before the last standstill says nothing. */
  #ended(looking: Promise<void>, isStale: boolean): void {
    if (this.#catchingUp !== looking) return;
    this.#isStale = isStale;
    this.#catchingUp = undefined;
  }

  async #look(): Promise<void> {
    const { views, logger } = this.#options;
    try {
      await Promise.all(views.map((view) => view.current()));
    } catch (cause) {
      logger.warn('this process stood still, and what others did meanwhile cannot be read now', { err: cause });
      const message = 'the API stood still, and cannot read now what happened meanwhile; try again in a moment';
      throw new AppError('broker_unavailable', message, { cause });
    }
  }
}
