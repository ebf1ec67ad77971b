import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type CommandServiceHeartbeat } from '@muster/messages';
import type { CommandId, CommandServiceId, OrgId } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime';

export interface LiveServicesOptions {
  readonly bus: Bus;
  readonly instance: CommandServiceId;
  readonly clock: Clock;
  readonly keyList: () => string;
  readonly onChange: () => void;
  /** Messages get through again after a time in which they did not, or for the first time. */
  readonly onHearing?: () => void;
}

const HEARTBEAT_MS = 1_000;
/** Without a heartbeat for this long an instance counts as gone. */
const SILENCE_MS = 3_500;

/**
 * Which command services are live, by their heartbeats, and which of them reconciles a command: the one with the highest
 * score for its id (rendezvous hashing), so that only the commands of a lost service move. For a moment two services may
 * both reconcile a command; they then do the same things, and every step may be done twice.
 *
 * A service hears its own heartbeats too. While it does not, it hears nobody: it was frozen, or the broker was.
 */
export class LiveServices {
  readonly #options: LiveServicesOptions;
  readonly #heardMs = new Map<CommandServiceId, number>();
  #subscription: BusSubscription | undefined;
  #unwatch: (() => void) | undefined;
  #timer: Timer | undefined;
  #stopping = false;
  /** The last heartbeat of its own that came back, monotonic, and since when they do. */
  #echoMs = Number.NEGATIVE_INFINITY;
  #hearsSinceMs = 0;

  constructor(options: LiveServicesOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.commandHeartbeats, ({ data }) => this.#onHeartbeat(data));
    // What was sent while the connection was away is lost.
    this.#unwatch = bus.onConnectionChange(() => (this.#echoMs = Number.NEGATIVE_INFINITY));
    this.#timer = clock.setInterval(() => this.#tick(), HEARTBEAT_MS);
    this.#tick();
  }

  /** Tells the others that this service stops; from now on it reconciles nothing. */
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

  /** How many services are live, this one included. */
  get count(): number {
    return this.#heardMs.size + (this.#stopping ? 0 : 1);
  }

  /** Since when messages get through without a gap; now, when they do not. */
  get hearsSinceMs(): number {
    const { clock } = this.#options;
    return clock.monotonic() - this.#echoMs > SILENCE_MS ? clock.now() : this.#hearsSinceMs;
  }

  reconciles(id: CommandId): boolean {
    return !this.#stopping && this.#isFirst(id);
  }

  /** Whether this service writes the audit records of an org's journal: to its end, if it is the last one. */
  records(org: OrgId): boolean {
    return this.#stopping ? this.#heardMs.size === 0 : this.#isFirst(org);
  }

  #isFirst(id: CommandId | OrgId): boolean {
    const own = score(this.#options.instance, id);
    for (const other of this.#heardMs.keys()) {
      const its = score(other, id);
      if (its > own || (its === own && other > this.#options.instance)) return false;
    }
    return true;
  }

  #onHeartbeat(data: Uint8Array): void {
    const heartbeat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
    if (heartbeat === undefined) return;
    if (heartbeat.instance === this.#options.instance) return this.#onEcho();
    const isKnown = this.#heardMs.has(heartbeat.instance);
    if (heartbeat.stopping) this.#heardMs.delete(heartbeat.instance);
    else this.#heardMs.set(heartbeat.instance, this.#options.clock.monotonic());
    if (isKnown === heartbeat.stopping) this.#options.onChange();
  }

  #onEcho(): void {
    const { clock, onHearing } = this.#options;
    const nowMs = clock.monotonic();
    const wasDeaf = nowMs - this.#echoMs > SILENCE_MS;
    this.#echoMs = nowMs;
    if (!wasDeaf) return;
    this.#hearsSinceMs = clock.now();
    onHearing?.();
  }

  #tick(): void {
    this.#publish();
    const nowMs = this.#options.clock.monotonic();
    let gone = 0;
    for (const [instance, heardMs] of this.#heardMs) {
      if (nowMs - heardMs <= SILENCE_MS) continue;
      this.#heardMs.delete(instance);
      gone += 1;
    }
    if (gone > 0) this.#options.onChange();
  }

  #publish(): void {
    const { bus, clock, instance, keyList } = this.#options;
    const heartbeat = { instance, stopping: this.#stopping, keys: keyList(), nowMs: clock.now() };
    bus.publish(SUBJECTS.commandHeartbeats, encodeBusMessage({ t: 'command_beat', ...heartbeat }));
  }
}

/** A number that depends on every bit of both: FNV-1a of the text, then the finalizer of MurmurHash3. */
function score(instance: CommandServiceId, id: string): number {
  let hash = 0x811c9dc5;
  for (const text of [instance, id]) {
    for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
