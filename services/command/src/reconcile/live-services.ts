import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type CommandServiceHeartbeat } from '@muster/messages';
import type { CommandId, CommandServiceId } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime';

export interface LiveServicesOptions {
  readonly bus: Bus;
  readonly instance: CommandServiceId;
  readonly clock: Clock;
  readonly keyList: () => string;
  readonly onChange: () => void;
}

const HEARTBEAT_MS = 1_000;
/** Without a heartbeat for this long an instance counts as gone. */
const SILENCE_MS = 3_500;

/**
 * Which command services are live, by their heartbeats, and which of them reconciles a command: the one with the highest
 * score for its id (rendezvous hashing), so that only the commands of a lost service move. For a moment two services may
 * both reconcile a command; they then do the same things, and every step may be done twice.
 */
export class LiveServices {
  readonly #options: LiveServicesOptions;
  readonly #heardMs = new Map<CommandServiceId, number>();
  #subscription: BusSubscription | undefined;
  #timer: Timer | undefined;
  #stopping = false;

  constructor(options: LiveServicesOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, clock } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.commandHeartbeats, ({ data }) => this.#onHeartbeat(data));
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
  }

  /** How many services are live, this one included. */
  get count(): number {
    return this.#heardMs.size + (this.#stopping ? 0 : 1);
  }

  reconciles(id: CommandId): boolean {
    if (this.#stopping) return false;
    const own = score(this.#options.instance, id);
    for (const other of this.#heardMs.keys()) {
      const its = score(other, id);
      if (its > own || (its === own && other > this.#options.instance)) return false;
    }
    return true;
  }

  #onHeartbeat(data: Uint8Array): void {
    const heartbeat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
    if (heartbeat === undefined || heartbeat.instance === this.#options.instance) return;
    const isKnown = this.#heardMs.has(heartbeat.instance);
    if (heartbeat.stopping) this.#heardMs.delete(heartbeat.instance);
    else this.#heardMs.set(heartbeat.instance, this.#options.clock.monotonic());
    if (isKnown === heartbeat.stopping) this.#options.onChange();
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
    const { bus, instance, keyList } = this.#options;
    bus.publish(
      SUBJECTS.commandHeartbeats,
      encodeBusMessage({ t: 'command_beat', instance, stopping: this.#stopping, keys: keyList() }),
    );
  }
}

/** A number that depends on every bit of both: FNV-1a of the text, then the finalizer of MurmurHash3. */
function score(instance: CommandServiceId, id: CommandId): number {
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
