import type { SocketAction } from './contract/recorded-events.js';
import { type KernelEvent, TCP } from './kernel-event.js';
import type { RecordSink, WaitingLook } from './record-sink.js';
import { ThreadLooks } from './thread-looks.js';

type StateChange = Extract<KernelEvent, { kind: 'state' }>;

const MAX_CONNECTING = 20_000;
const MAX_WAITING = 200;

/**
 *   CLOSE ─▶ SYN_SENT (connect) ─▶ ESTABLISHED (succeeded), CLOSE (failed)
 *   SYN_RECV ─▶ ESTABLISHED (accept)      CLOSE ─▶ LISTEN (listen)      any other ─▶ CLOSE (close)
 *
 * Makes records of what sockets do. Only connect and listen are calls of a process: all else happens when a packet or a
 * timer comes, whatever runs at that moment.
 */
export class SocketRecords {
  readonly #sink: RecordSink;
  /** The row of each connection attempt, by its socket. */
  readonly #connecting = new Map<string, number>();
  readonly #looks: ThreadLooks;
  #waiting: WaitingLook[] = [];

  constructor(sink: RecordSink) {
    this.#sink = sink;
    this.#looks = new ThreadLooks(sink);
  }

  take(event: StateChange): void {
    const { from, to, socket } = event;
    const attempt = this.#connecting.get(socket);
    if (to === TCP.synSent) this.#begin(event);
    else if (to === TCP.listen) this.#put(event, 'listen', event.thread);
    else if (attempt !== undefined) this.#end(event, attempt);
    else if (from === TCP.synSent) this.#end(event, this.#put(event, 'connect'));
    else if (to === TCP.established) this.#put(event, 'accept');
    // A connection that was never complete was no connection.
    else if (to === TCP.close && from !== TCP.synReceived) this.#put(event, 'close');
  }

  /** A process has started a program: what is seen of it from then on did not make the connections before. */
  started({ pid, atNs }: Extract<KernelEvent, { kind: 'exec' }>): void {
    this.#looks.started(pid, Math.round(atNs / 1_000));
  }

  waiting(limit: number): WaitingLook[] {
    const newest = this.#waiting.slice(-limit);
    this.#waiting = [];
    return newest;
  }

  /** Events are missing since then: a socket may have become another one, and a process another program. */
  forget(since: number): void {
    this.#connecting.clear();
    this.#waiting = [];
    this.#looks.forget(since);
  }

  #begin(event: StateChange): void {
    this.#connecting.set(event.socket, this.#put(event, 'connect', event.thread));
    const [oldest] = this.#connecting.keys();
    if (this.#connecting.size > MAX_CONNECTING && oldest !== undefined) this.#connecting.delete(oldest);
  }

  #end({ to, socket, localPort }: StateChange, n: number): void {
    this.#connecting.delete(socket);
    this.#sink.put({ t: 'result', n, ok: to === TCP.established, localPort });
  }

  #put(event: StateChange, action: SocketAction, thread?: number): number {
    const { atNs, from, to, family, protocol, localPort, remotePort, local, remote } = event;
    const n = this.#sink.nextRow();
    const at = Math.round(atNs / 1_000);
    const ends = { family, protocol, localPort, remotePort, local, remote };
    this.#sink.put({
      ...{ t: 'socket', n, at, action, from, to, ...ends },
      ...(thread === undefined ? {} : { thread }),
    });
    if (thread !== undefined) {
      this.#waiting.push({ n, id: thread, at, withArguments: false, looked: this.#looks.add(n, thread, at) });
      if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    }
    return n;
  }
}
