import { LIMITS, type ModeBody, type SessionMode } from '@muster/protocol';
import { ProcessClock } from '../world/process-clock.js';
import type { SimulatedProcess, World } from '../world/world.js';

export interface ModeSetting {
  readonly mode: SessionMode;
  readonly intervalMs: number;
}

interface Assigned extends ModeSetting {
  readonly lease?: { readonly untilMs: number; readonly next: ModeSetting };
}

/** What an endpoint was told to use (`docs/protocol.md`, section 11): kept on its disk. When a lease is over it goes on by itself. */
export class EndpointMode {
  readonly #world: World;
  readonly #process: SimulatedProcess;
  readonly #clock: ProcessClock;
  readonly #onChange: (spreadMs: number) => void;
  #assigned: Assigned;
  #timer: ReturnType<ProcessClock['setTimeout']> | undefined;

  constructor(
    world: World,
    {
      process,
      first = { mode: 'live', intervalMs: LIMITS.pollIntervalMs },
      onChange,
    }: {
      readonly process: SimulatedProcess;
      readonly first: ModeSetting | undefined;
      readonly onChange: (spreadMs: number) => void;
    },
  ) {
    this.#world = world;
    this.#process = process;
    this.#clock = new ProcessClock(world, process);
    this.#onChange = onChange;
    this.#assigned = first;
  }

  get setting(): ModeSetting {
    const { lease } = this.#assigned;
    return lease !== undefined && lease.untilMs <= this.#process.wallMs ? lease.next : this.#assigned;
  }

  /** The process begins, with what is on its disk. */
  boot(): void {
    this.#arm();
  }

  assign({ mode, intervalMs, lease }: ModeBody): void {
    const { forMs = 0, next } = lease ?? {};
    this.#assigned = {
      ...{ mode, intervalMs },
      ...(next === undefined ? {} : { lease: { untilMs: this.#process.wallMs + forMs, next } }),
    };
    this.#arm();
  }

  #arm(): void {
    this.#clock.clear(this.#timer);
    this.#timer = undefined;
    const { lease } = this.#assigned;
    if (lease === undefined) return;
    const leftMs = Math.max(0, lease.untilMs - this.#process.wallMs);
    this.#timer = this.#clock.setTimeout(() => {
      this.#assigned = lease.next;
      this.#world.note(`its lease is over: ${lease.next.mode}`, this.#process);
      this.#onChange(leftMs / 20);
    }, leftMs);
  }
}
