import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { Clock } from '@muster/runtime/program';
import { TRAFFIC_CHANNELS, TRAFFIC_PURPOSES, type TrafficChannel, type TrafficPurpose } from './purpose.js';

/**
 * The traffic of one channel for one purpose since the agent started; `seconds` and `connections` are those of the
 * channel.
 */
export interface TrafficRow {
  readonly channel: TrafficChannel;
  readonly purpose: TrafficPurpose;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** How long a session was active over the channel. */
  readonly seconds: number;
  /** Number of TCP connections that were opened. */
  readonly connections: number;
  /** Start of the count, in ms since 1970. */
  readonly sinceMs: number;
}

/** Counts the frames of one session, with their WebSocket or batch headers. */
export interface SessionTraffic {
  sent(purpose: TrafficPurpose, bytes: number): void;
  received(purpose: TrafficPurpose, bytes: number): void;
  ready(): void;
  /** Idempotent. */
  end(): void;
}

interface Bytes {
  in: number;
  out: number;
}

interface ChannelCount {
  readonly sockets: Set<Socket>;
  /** Bytes of closed sockets. */
  readonly closed: Bytes;
  readonly frames: Map<TrafficPurpose, Bytes>;
  connections: number;
  readySessions: number;
  readySinceMs: number;
  readyMs: number;
}

/** Node publishes every TCP socket that it opens, before anything is sent on it. */
const OPENED = 'net.client.socket';

/**
 * Counts the agent's traffic by channel and purpose. The totals are the byte counts of the TCP sockets, so they include
 * TLS, HTTP and proxies. Frames are counted by purpose; the rest of the totals is `transport`. Nothing is estimated,
 * and no timer runs.
 */
export class TrafficMeter {
  readonly #clock: Clock;
  readonly #sinceMs: number;
  readonly #channels = new Map(TRAFFIC_CHANNELS.map((channel) => [channel, noTraffic()]));
  #opening: ChannelCount | undefined;
  readonly #onOpened = (message: unknown): void => {
    if (this.#opening !== undefined) watch((message as { readonly socket: Socket }).socket, this.#opening);
  };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.now();
  }

  start(): void {
    subscribe(OPENED, this.#onOpened);
  }

  stop(): void {
    unsubscribe(OPENED, this.#onOpened);
  }

  /**
   * Runs `open` and counts the TCP sockets that it opens before it returns for the channel. They must come from
   * `net.connect`: Node does not publish those that `tls.connect` opens itself.
   */
  opening<Result>(channel: TrafficChannel, open: () => Result): Result {
    const outer = this.#opening;
    this.#opening = this.#count(channel);
    try {
      return open();
    } finally {
      this.#opening = outer;
    }
  }

  /** Counts one session, from its first frame to its end. */
  session(channel: TrafficChannel): SessionTraffic {
    const count = this.#count(channel);
    let isReady = false;
    return {
      sent: (purpose, bytes) => void (bytesFor(count, purpose).out += bytes),
      received: (purpose, bytes) => void (bytesFor(count, purpose).in += bytes),
      ready: () => {
        if (isReady) return;
        isReady = true;
        // During a move two sessions are ready; that time is counted once.
        if (count.readySessions++ === 0) count.readySinceMs = this.#clock.monotonic();
      },
      end: () => {
        if (!isReady) return;
        isReady = false;
        if (--count.readySessions === 0) count.readyMs += this.#clock.monotonic() - count.readySinceMs;
      },
    };
  }

  /** All traffic until now; purposes without traffic have no row. */
  read(): readonly TrafficRow[] {
    return TRAFFIC_CHANNELS.flatMap((channel) => this.#rowsOf(channel));
  }

  #rowsOf(channel: TrafficChannel): TrafficRow[] {
    const count = this.#count(channel);
    const openMs = count.readySessions > 0 ? this.#clock.monotonic() - count.readySinceMs : 0;
    const seconds = Math.round((count.readyMs + openMs) / 1_000);
    const { connections } = count;
    const rest = totalOf(count);
    for (const bytes of count.frames.values()) {
      rest.in -= bytes.in;
      rest.out -= bytes.out;
    }
    return TRAFFIC_PURPOSES.flatMap((purpose) => {
      const bytes = purpose === 'transport' ? rest : count.frames.get(purpose);
      // A buffered frame has not reached its socket yet, so the rest can be negative for a moment.
      const bytesIn = Math.max(0, bytes?.in ?? 0);
      const bytesOut = Math.max(0, bytes?.out ?? 0);
      if (bytesIn === 0 && bytesOut === 0) return [];
      return [{ channel, purpose, bytesIn, bytesOut, seconds, connections, sinceMs: this.#sinceMs }];
    });
  }

  #count(channel: TrafficChannel): ChannelCount {
    const count = this.#channels.get(channel);
    if (count === undefined) throw new Error(`no channel ${channel}`);
    return count;
  }
}

function noTraffic(): ChannelCount {
  return {
    sockets: new Set(),
    closed: { in: 0, out: 0 },
    frames: new Map(),
    connections: 0,
    readySessions: 0,
    readySinceMs: 0,
    readyMs: 0,
  };
}

/** A socket keeps its byte counts when it is destroyed; `close` is its last event. */
function watch(socket: Socket, count: ChannelCount): void {
  count.sockets.add(socket);
  socket.once('connect', () => (count.connections += 1));
  socket.once('close', () => {
    if (!count.sockets.delete(socket)) return;
    count.closed.in += socket.bytesRead;
    count.closed.out += socket.bytesWritten;
  });
}

function totalOf({ closed, sockets }: ChannelCount): Bytes {
  const total = { ...closed };
  for (const socket of sockets) {
    total.in += socket.bytesRead;
    total.out += socket.bytesWritten;
  }
  return total;
}

function bytesFor(count: ChannelCount, purpose: TrafficPurpose): Bytes {
  let bytes = count.frames.get(purpose);
  if (bytes === undefined) count.frames.set(purpose, (bytes = { in: 0, out: 0 }));
  return bytes;
}
