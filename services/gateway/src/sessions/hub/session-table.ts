import { LIMITS } from '@muster/protocol';
import type { Connection } from '../../foundation/connection.js';
import { PendingHandshakes } from './pending-handshakes.js';
import type { Session } from './session.js';

/** How long a connection may wait for its hello before one that comes to a full gateway takes its place. */
const GRACE_MS = 2_000;

/** The session of every open connection, ready or not; at most `maxConnections`. */
export class SessionTable {
  /** Those that have not proven who they are. */
  readonly pending = new PendingHandshakes();
  readonly #byConnection = new Map<Connection, Session>();
  readonly #maxConnections: number;

  constructor(maxConnections = Number.POSITIVE_INFINITY) {
    this.#maxConnections = maxConnections;
  }

  get size(): number {
    return this.#byConnection.size;
  }

  get(connection: Connection): Session | undefined {
    return this.#byConnection.get(connection);
  }

  sessions(): IterableIterator<Session> {
    return this.#byConnection.values();
  }

  /** Whether one more connection may be opened, in a free place or in that of one that has not proven itself for a while. */
  hasRoom(nowMs: number): boolean {
    if (this.size < this.#maxConnections) return true;
    const deadlineMs = this.pending.oldest()?.challenge?.deadlineMs ?? Number.POSITIVE_INFINITY;
    return deadlineMs - LIMITS.helloDeadlineMs + GRACE_MS <= nowMs;
  }

  /** Returns those that have to end now: unproven ones, oldest first. */
  add(session: Session): readonly Session[] {
    this.#byConnection.set(session.connection, session);
    this.pending.add(session);
    const displaced = this.pending.displacedBy(session);
    if (displaced !== undefined) return [displaced];
    const oldest = this.size > this.#maxConnections ? this.pending.oldest() : undefined;
    return oldest === undefined || oldest === session ? [] : [oldest];
  }

  delete(session: Session): void {
    this.#byConnection.delete(session.connection);
    this.pending.delete(session);
  }
}
