import type { Clock } from '@muster/runtime/program';
import type { SessionConnection } from '../contract/session-connection.js';

/** The session that is ready, and since when. */
export class ActiveSession {
  readonly connection: SessionConnection;
  readonly gateway: string;
  readonly readyAtMs: number;
  readonly #clock: Pick<Clock, 'monotonic'>;

  constructor(connection: SessionConnection, gateway: string, clock: Pick<Clock, 'monotonic'>) {
    this.connection = connection;
    this.gateway = gateway;
    this.readyAtMs = clock.monotonic();
    this.#clock = clock;
  }

  get heldMs(): number {
    return this.#clock.monotonic() - this.readyAtMs;
  }
}
