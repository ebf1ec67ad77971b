import { createCommandService } from '@muster/command/command-service';
import { CommandKeys } from '@muster/command/command-keys';
import { signCommandKeys } from '@muster/identity';
import { EPOCH_MS, type SimulatedProcess, type World } from '../world/world.js';
import { SIGNING_KEYS } from './identities.js';
import { parts, startInOrder, type Brokers } from './parts.js';

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
export class CommandNode {
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
      const { components } = createCommandService({ ...base, config: CONFIG, keys: KEYS, fallbackPolicy: POLICY });
      void startInOrder(components);
    });
  }
}
