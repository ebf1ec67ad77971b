import { createCommandService } from '@muster/command/command-service';
import { CommandKeys } from '@muster/command/command-keys';
import { signCommandKeys } from '@muster/identity';
import { EPOCH_MS, type World } from '../world/world.js';
import { SIGNING_KEYS } from './identities.js';
import type { Brokers } from './parts.js';
import { ServiceNode } from './service-node.js';

const CONFIG = { policyFile: undefined, keepEnded: 1_000, journalPatienceMs: 8_000 };

/** What a second person must approve: see `Caller.order`. */
const POLICY = { limits: {}, approval: [{ actions: ['service.stop'], role: 'admin' as const, independent: false }] };

/** Signed once: the list is the same in every history. */
const KEYS = new CommandKeys(
  SIGNING_KEYS,
  signCommandKeys(SIGNING_KEYS, {
    ...{ version: 1, iat: EPOCH_MS / 1_000, retired: [] },
    keys: SIGNING_KEYS.keys.map(({ kid, x }) => ({ kid, x })),
  }),
);

/** A command service: the parts of production, on simulated brokers. */
export class CommandNode extends ServiceNode {
  constructor(world: World, name: string, brokers: Brokers) {
    super(world, name, brokers, (base) => {
      return createCommandService({ ...base, config: CONFIG, keys: KEYS, fallbackPolicy: POLICY }).components;
    });
  }
}
