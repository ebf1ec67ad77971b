import type { Connection } from '../../foundation/connection.js';
import { PendingHandshakes } from './pending-handshakes.js';
import type { Session } from './session.js';

/** The session of every open connection, ready or not. */
export class SessionTable {
  /** Those that have not proven who they are. */
  readonly pending = new PendingHandshakes();
  readonly #byConnection = new Map<Connection, Session>();

  get size(): number {
    return this.#byConnection.size;
  }

  get(connection: Connection): Session | undefined {
    return this.#byConnection.get(connection);
  }

  sessions(): IterableIterator<Session> {
    return this.#byConnection.values();
  }

  add(session: Session): void {
    this.#byConnection.set(session.connection, session);
    this.pending.add(session);
  }

  delete(session: Session): void {
    this.#byConnection.delete(session.connection);
    this.pending.delete(session);
  }
}
