import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type CommandServiceHeartbeat } from '@muster/messages';
import type { CommandId, CommandServiceId } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime';

export interface LiveServicesOptions {
  readonly bus: Bus;
  readonly instance: CommandServiceId;
  readonly clock: Clock;
  /** The signed key list that is current. */
  readonly keyList: () => string;
  /** The set of live services is another one now. */
  readonly onChange: () => void;
}

const BEAT_MS = 1_000;
/** After this much silence an instance counts as gone. */
const SILENCE_MS = 3_500;

/**
 * Which command services live, by their beats, and which of them drives a command: the one that scores highest for its id (rendezvous
 * hashing), so that when one goes only its own commands move. Two may think so of themselves for a moment; both then say the same things.
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
    this.#subscription = bus.subscribe(SUBJECTS.commandHeartbeats, ({ data }) => this.#hear(data));
    this.#timer = clock.setInterval(() => this.#beat(), BEAT_MS);
    this.#beat();
  }

  /** From now on the others know that this one goes, and it drives nothing. */
  drain(): void {
    this.#stopping = true;
    this.#say();
    this.#options.onChange();
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#subscription?.unsubscribe();
  }

  /** How many live, this one too. */
  get count(): number {
    return this.#heardMs.size + (this.#stopping ? 0 : 1);
  }

  /** Whether this service is the one that drives the command. */
  reconciles(id: CommandId): boolean {
    if (this.#stopping) return false;
    const own = score(this.#options.instance, id);
    for (const other of this.#heardMs.keys()) {
      const its = score(other, id);
      if (its > own || (its === own && other > this.#options.instance)) return false;
    }
    return true;
  }

  #hear(data: Uint8Array): void {
    const beat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
    if (beat === undefined || beat.instance === this.#options.instance) return;
    const isKnown = this.#heardMs.has(beat.instance);
    if (beat.stopping) this.#heardMs.delete(beat.instance);
    else this.#heardMs.set(beat.instance, this.#options.clock.monotonic());
    if (isKnown === beat.stopping) this.#options.onChange();
  }

  #beat(): void {
    this.#say();
    const nowMs = this.#options.clock.monotonic();
    let gone = 0;
    for (const [instance, heardMs] of this.#heardMs) {
      if (nowMs - heardMs <= SILENCE_MS) continue;
      this.#heardMs.delete(instance);
      gone += 1;
    }
    if (gone > 0) this.#options.onChange();
  }

  #say(): void {
    const { bus, instance, keyList } = this.#options;
    bus.publish(
      SUBJECTS.commandHeartbeats,
      encodeBusMessage({ t: 'command_beat', instance, stopping: this.#stopping, keys: keyList() }),
    );
  }
}

/** A number that depends on every bit of both: FNV-1a over the text, then the finish of MurmurHash3. */
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
