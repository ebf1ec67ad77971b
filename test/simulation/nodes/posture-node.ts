import { createPostureService } from '@muster/posture/posture-service';
import type { SimulatedProcess, World } from '../world/world.js';
import { parts, startInOrder, type Brokers } from './parts.js';

/** Reading packs that admins apply takes a SQL engine, and nobody applies one here. */
const COMPILER = {
  start: async () => undefined,
  stop: () => undefined,
  compile: () => {
    throw new Error('nobody applies a pack in a simulated world');
  },
};

/** A posture service: the parts of production, on simulated brokers. */
export class PostureNode {
  readonly process: SimulatedProcess;
  readonly #world: World;
  readonly #brokers: Brokers;

  constructor(world: World, name: string, brokers: Brokers) {
    this.#world = world;
    this.#brokers = brokers;
    this.process = world.process(name);
  }

  start(): void {
    this.#world.schedule(this.process, 0, () => {
      const base = parts(this.#world, this.process, this.#brokers);
      void startInOrder(createPostureService({ ...base, compiler: COMPILER }).components);
    });
  }
}
