/** `dropped`: the peer does not read and its buffer is full; the connection is being closed for it. `closed`: it is gone. */
export type SendResult = 'sent' | 'dropped' | 'closed';

/** The port to one peer: it moves bytes and knows nothing of frames. Transports implement it. */
export interface Connection {
  /** Monotonic: when a peer that polls is expected next. Absent where frames reach the peer at once. */
  readonly dueMs?: number;
  /** How many milliseconds a peer that polls waits between two polls. Absent where frames reach the peer at once. */
  readonly intervalMs?: number;
  /** The peer's address; the one that a trusted proxy named, if one did. */
  readonly address: string;
  /** Sends one binary message. Never blocks, never throws. */
  send(frame: Uint8Array): SendResult;
  /** Sends a ping with this data, at most 125 bytes. */
  ping(data: Uint8Array): void;
  /** Sends a heartbeat: an empty message. Absent on connections that poll. */
  beat?(): void;
  /** Sends a close frame and ends the connection. Idempotent. */
  close(code: number, reason: string): void;
  /** Runs `send` calls together, with as few writes as possible. */
  cork(run: () => void): void;
  /** The peer was told how often to poll. Absent on connections that do not poll. */
  expectPolls?(schedule: PollSchedule): void;
}

/** How often an agent polls: every `intervalMs`, and from `lease.untilMs` (wall clock) on every `lease.next.intervalMs`. */
export interface PollSchedule {
  readonly intervalMs: number;
  readonly lease?: { readonly untilMs: number; readonly next: { readonly intervalMs: number } };
}

/**
 * Hears what happens on connections. Of one connection, `opened` comes before any `received`, messages come in order, and `closed` comes
 * exactly once and last. Called synchronously from the event loop: implementations must not block or throw.
 */
export interface ConnectionListener<Context> {
  /** `context`: what admission made of the request that opened the connection. */
  opened(connection: Connection, context: Context): void;
  /** `data` is reused after the call: copy what must stay. */
  received(connection: Connection, data: Uint8Array, isBinary: boolean): void;
  /** A ping came, and was answered. */
  pinged(connection: Connection): void;
  ponged(connection: Connection, data: Uint8Array): void;
  closed(connection: Connection, code: number): void;
}
