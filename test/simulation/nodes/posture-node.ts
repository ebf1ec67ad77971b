import { createPostureService } from '@muster/posture/posture-service';
import type { World } from '../world/world.js';
import type { Brokers } from './parts.js';
import { ServiceNode } from './service-node.js';

/** Reading packs that admins apply takes a SQL engine, and nobody applies one here. */
const COMPILER = {
  start: async () => undefined,
  stop: () => undefined,
  compile: () => {
    throw new Error('nobody applies a pack in a simulated world');
  },
};

/** A posture service: the parts of production, on simulated brokers. */
export class PostureNode extends ServiceNode {
  constructor(world: World, name: string, brokers: Brokers) {
    super(world, name, brokers, (base) => createPostureService({ ...base, compiler: COMPILER }).components);
  }
}
