import type { Clock } from '@muster/runtime/program';
import type { SessionConnection } from '../contract/session-connection.js';
import { type SessionWork, tellWork, type WorkFrame } from '../contract/session-work.js';

export interface ActiveSessionOptions {
  readonly connection: SessionConnection;
  readonly gateway: string;
  readonly work: readonly SessionWork[];
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** The session that is ready, and the work that lives with it. */
export class ActiveSession {
  readonly connection: SessionConnection;
  readonly gateway: string;
  readonly readyAtMs: number;
  readonly #work: readonly SessionWork[];
  readonly #clock: Pick<Clock, 'monotonic'>;

  constructor({ connection, gateway, work, clock }: ActiveSessionOptions) {
    this.connection = connection;
    this.gateway = gateway;
    this.#work = work;
    this.#clock = clock;
    this.readyAtMs = clock.monotonic();
  }

  get heldMs(): number {
    return this.#clock.monotonic() - this.readyAtMs;
  }

  onFrame(frame: WorkFrame): void {
    for (const work of this.#work) tellWork(work, frame);
  }

  onWritable(): void {
    for (const work of this.#work) work.onWritable();
  }

  end(): void {
    for (const work of this.#work) work.end();
  }
}
