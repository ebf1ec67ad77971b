import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, type LiveMessage } from '@muster/messages';
import type { Clock, Timer } from '@muster/runtime';
import { serviceVersion } from './service-version.js';

/** What every instance of a service says of itself, every second. */
export interface InstanceMessage {
  readonly t: string;
  readonly instance: string;
  readonly stopping: boolean;
  readonly nowMs?: number;
  /** Of the program; absent in versions that did not say. */
  readonly version?: string;
}

export interface LiveInstancesOptions<H extends InstanceMessage> {
  readonly bus: Pick<Bus, 'publish' | 'subscribe' | 'onConnectionChange'>;
  readonly clock: Clock;
  readonly instance: H['instance'];
  /** Where all instances of the service publish their heartbeats. */
  readonly subject: string;
  readonly kind: H['t'];
  /** What a heartbeat says besides. */
  readonly details: () => Omit<H, keyof InstanceMessage>;
  /** Another instance came or went, or this one stops: keys may belong to others now. */
  readonly onChange: () => void;
  /** Messages get through again after a time in which they did not, or for the first time. */
  readonly onHearing?: () => void;
  /** Another instance has said this of itself. */
  readonly onHeartbeat?: (heartbeat: H) => void;
}

const HEARTBEAT_MS = 1_000;
/** Without a heartbeat for this long an instance counts as gone. */
const GONE_MS = 3_500;
/** Heartbeats whose time of sending is remembered: more than are sent within {@link GONE_MS}. */
const REMEMBERED = 8;

/**
 * Which instances of a service are live, by their heartbeats, and which of them owns a key: the one with the highest
 * score for it (rendezvous hashing), so that only the keys of a lost instance move. For a moment two instances may
 * both own a key.
 *
 * An instance hears its own heartbeats too. While it does not, it hears nobody: it was frozen, or the broker was.
 */
export class LiveInstances<H extends InstanceMessage> {
  readonly #options: LiveInstancesOptions<H>;
  readonly #heardMs = new Map<H['instance'], number>();
  #subscription: BusSubscription | undefined;
  #unwatch: (() => void) | undefined;
  #timer: Timer | undefined;
  #stopping = false;
  /** The last heartbeat of its own that came back, and since when they do, monotonic. */
  #echoMs = Number.NEGATIVE_INFINITY;
  #hearsSinceMs = Number.POSITIVE_INFINITY;
  /** When its last heartbeats were sent, on both clocks. */
  #sent: { readonly nowMs: number; readonly sentMs: number }[] = [];
  /** When the last one that came back had been sent, monotonic. */
  #echoSentMs = Number.NEGATIVE_INFINITY;

  constructor(options: LiveInstancesOptions<H>) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock, subject } = this.#options;
    this.#subscription = bus.subscribe(subject, ({ data }) => this.#onHeartbeat(data));
    // What was sent while the connection was away is lost.
    this.#unwatch = bus.onConnectionChange(() => {
      this.#echoMs = Number.NEGATIVE_INFINITY;
      this.#echoSentMs = Number.NEGATIVE_INFINITY;
    });
    this.#timer = clock.setInterval(() => this.#tick(), HEARTBEAT_MS);
    this.#tick();
  }

  /** Tells the others that this instance stops; from now on it owns nothing. */
  drain(): void {
    this.#stopping = true;
    this.#publish();
    this.#options.onChange();
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#subscription?.unsubscribe();
    this.#unwatch?.();
  }

  /** How many instances are live, this one included. */
  get count(): number {
    return this.#heardMs.size + (this.#stopping ? 0 : 1);
  }

  /** For how long messages get through without a gap; 0 when they do not. */
  get hearsForMs(): number {
    const nowMs = this.#options.clock.monotonic();
    return nowMs - this.#echoMs > GONE_MS ? 0 : nowMs - this.#hearsSinceMs;
  }

  /**
   * Whether the others take this instance for live: it has received a heartbeat of its own that it sent a moment ago. After it stood still
   * this is false until all that came meanwhile is read.
   */
  get isCurrent(): boolean {
    return this.#options.clock.monotonic() - this.#echoSentMs <= GONE_MS;
  }

  owns(key: string): boolean {
    return !this.#stopping && this.#isFirst(key);
  }

  /** The same, but the last instance owns everything until it has stopped. */
  ownsToTheEnd(key: string): boolean {
    return this.#stopping ? this.#heardMs.size === 0 : this.#isFirst(key);
  }

  #isFirst(key: string): boolean {
    const own = score(this.#options.instance, key);
    for (const other of this.#heardMs.keys()) {
      const its = score(other, key);
      if (its > own || (its === own && other > this.#options.instance)) return false;
    }
    return true;
  }

  #onHeartbeat(data: Uint8Array): void {
    const heartbeat = decodeBusMessage<H>(data, this.#options.kind);
    if (heartbeat === undefined) return;
    if (heartbeat.instance === this.#options.instance) return this.#onEcho(heartbeat);
    const isKnown = this.#heardMs.has(heartbeat.instance);
    if (heartbeat.stopping) this.#heardMs.delete(heartbeat.instance);
    else this.#heardMs.set(heartbeat.instance, this.#options.clock.monotonic());
    this.#options.onHeartbeat?.(heartbeat);
    if (isKnown === heartbeat.stopping) this.#options.onChange();
  }

  #onEcho(heartbeat: H): void {
    const { clock, onHearing } = this.#options;
    const nowMs = clock.monotonic();
    const wasDeaf = nowMs - this.#echoMs > GONE_MS;
    this.#echoMs = nowMs;
    const sent = this.#sent.find((one) => one.nowMs === heartbeat.nowMs);
    if (sent !== undefined) this.#echoSentMs = sent.sentMs;
    if (!wasDeaf) return;
    this.#hearsSinceMs = nowMs;
    onHearing?.();
  }

  #tick(): void {
    this.#publish();
    const nowMs = this.#options.clock.monotonic();
    let gone = 0;
    for (const [instance, heardMs] of this.#heardMs) {
      if (nowMs - heardMs <= GONE_MS) continue;
      this.#heardMs.delete(instance);
      gone += 1;
    }
    if (gone > 0) this.#options.onChange();
  }

  #publish(): void {
    const { bus, clock, subject, kind: t, instance, details } = this.#options;
    const nowMs = clock.now();
    this.#sent = [...this.#sent.slice(1 - REMEMBERED), { nowMs, sentMs: clock.monotonic() }];
    const heartbeat = { t, instance, stopping: this.#stopping, ...details(), nowMs, version: serviceVersion() };
    bus.publish(subject, encodeBusMessage(heartbeat as unknown as LiveMessage));
  }
}

/** A number that depends on every bit of both: FNV-1a of the text, then the finalizer of MurmurHash3. */
function score(instance: string, key: string): number {
  let hash = 0x811c9dc5;
  for (const text of [instance, key]) {
    for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
