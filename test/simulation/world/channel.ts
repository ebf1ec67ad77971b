import type { MessageText } from './message-text.js';
import type { SimulatedProcess, World } from './world.js';

/** One end of a {@link Channel}. */
export interface ChannelEnd {
  readonly process: SimulatedProcess;
  /** Called once, after everything that still arrives, when the channel has ended. */
  readonly onEnd: () => void;
}

type Side = 'client' | 'server';

/** How long bytes are on the way: mostly a fraction of a millisecond, now and then much longer. */
function latencyMs(world: World): number {
  const { random } = world;
  return random.chance(0.02) ? random.between(5, 200) : random.between(0.05, 2);
}

/**
 * A TCP connection between two processes: in order, without loss while it lasts. When it ends, what is under way may still arrive or be
 * lost. It ends when either process is killed; a process that stands still keeps it, and so does a network that holds everything back.
 */
export class Channel {
  readonly #world: World;
  readonly #ends: Readonly<Record<Side, ChannelEnd>>;
  /** When the last message towards this side arrives. */
  readonly #lastMs: Record<Side, number> = { client: 0, server: 0 };
  /** What the timeline is to tell of. */
  readonly #underWay: Readonly<Record<Side, Set<MessageText>>> = { client: new Set(), server: new Set() };
  #generation = 0;
  #isOpen = true;

  constructor(world: World, ends: Readonly<Record<Side, ChannelEnd>>) {
    this.#world = world;
    this.#ends = ends;
    for (const { process } of Object.values(ends)) process.onKilled(() => this.end());
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** With a text the timeline tells that it was heard, or lost. */
  toServer(run: () => void, text?: MessageText): void {
    this.#send('server', run, text);
  }

  toClient(run: () => void, text?: MessageText): void {
    this.#send('client', run, text);
  }

  /** Ends it for both in order: what was sent arrives. */
  close(): void {
    this.#end({ loses: false });
  }

  /** Ends it for both, as a kill or a network that breaks does. */
  end(): void {
    this.#end({ loses: this.#world.random.chance(0.5) });
  }

  #end({ loses }: { readonly loses: boolean }): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (loses) this.#generation += 1;
    for (const side of ['client', 'server'] as const) {
      const { process, onEnd } = this.#ends[side];
      if (process.state === 'down' || loses) this.#tellLost(side);
      if (process.state === 'down') continue;
      this.#world.schedule(process, this.#arrivalMs(side) - this.#world.nowMs, onEnd);
    }
  }

  #send(side: Side, run: () => void, text?: MessageText): void {
    const told = this.#world.tellsMessages ? text : undefined;
    if (!this.#isOpen) {
      if (told !== undefined) this.#note(side, `lost, the connection is over: ${told()}`);
      return;
    }
    const generation = this.#generation;
    if (told !== undefined) this.#underWay[side].add(told);
    this.#world.schedule(this.#ends[side].process, this.#arrivalMs(side) - this.#world.nowMs, () => {
      if (generation !== this.#generation) return;
      if (told !== undefined) {
        this.#underWay[side].delete(told);
        this.#note(side, told());
      }
      run();
    });
  }

  #tellLost(side: Side): void {
    for (const text of this.#underWay[side]) this.#note(side, `lost on its way: ${text()}`);
    this.#underWay[side].clear();
  }

  #note(to: Side, what: string): void {
    const from = this.#ends[to === 'client' ? 'server' : 'client'].process;
    this.#world.note(`→ ${this.#ends[to].process.name}: ${what}`, from);
  }

  #arrivalMs(side: Side): number {
    const from = this.#ends[side === 'client' ? 'server' : 'client'].process;
    const stalledMs = Math.max(from.stalledUntilMs.out, this.#ends[side].process.stalledUntilMs.in);
    const atMs = Math.max(this.#lastMs[side], stalledMs, this.#world.nowMs + latencyMs(this.#world));
    this.#lastMs[side] = atMs;
    return atMs;
  }
}
