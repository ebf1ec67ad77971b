import { MemoryRegistry, RegistryStore, type MemoryRegistryOptions } from '@muster/testkit';
import { ProcessClock } from '../world/process-clock.js';
import type { SimulatedProcess, World } from '../world/world.js';

/** One Redis without persistence: a kill, like an order to empty it, forgets everything. */
export class RedisServer {
  readonly process: SimulatedProcess;
  /** It has reached its `maxmemory`, with nothing that it may evict. */
  isFull = false;
  readonly store = new RegistryStore();
  readonly registry: MemoryRegistry;
  /** Who waits for an answer, and is told that the connection is gone. */
  readonly waiting = new Set<() => void>();
  readonly #clock: ProcessClock;

  constructor(world: World) {
    this.process = world.process('redis');
    this.#clock = new ProcessClock(world, this.process);
    this.registry = this.serve({});
  }

  /** Its scripts, with what a client sends along. */
  serve(options: Pick<MemoryRegistryOptions, 'flapLimit'>): MemoryRegistry {
    return new MemoryRegistry({ ...options, store: this.store, clock: this.#clock });
  }

  kill(): void {
    this.store.empty();
    this.process.kill();
    for (const lost of this.waiting) lost();
    this.waiting.clear();
  }
}
