import { loadQueryConfig } from '@muster/query/config';
import { createQueryService, type SqlThreads } from '@muster/query/query-service';
import type { SimulatedProcess, World } from '../world/world.js';
import { parts, startInOrder, type Brokers } from './parts.js';

/** The columns of every question in a simulated world. */
export const COLUMNS = ['value'] as const;

/** SQL has a thread of its own in production; what it says is not what is looked at here. */
const SQL: SqlThreads = {
  compiler: {
    start: async () => undefined,
    stop: async () => undefined,
    compile: async () => ({ columns: COLUMNS, tables: ['processes'], parameters: [] }),
    compileReduce: async () => ({ columns: COLUMNS, tables: ['rows'], parameters: [] }),
  },
  reductions: {
    start: () => undefined,
    stop: async () => undefined,
    reduce: async () => ({ columns: COLUMNS, rows: [], truncated: false }),
    reducedEvent: async () => ({ t: 'reduced', columns: COLUMNS, rows: [], truncated: false }),
  },
};

/** A query service: the parts of production, on simulated brokers. */
export class QueryNode {
  readonly process: SimulatedProcess;
  readonly #world: World;
  readonly #brokers: Brokers;

  constructor(world: World, name: string, brokers: Brokers) {
    this.#world = world;
    this.#brokers = brokers;
    this.process = world.process(name);
  }

  start(): void {
    const loaded = loadQueryConfig({ MUSTER_NATS_URL: 'nats://simulated:1', MUSTER_REDIS_URL: 'redis://simulated:1' });
    if (!loaded.ok) throw loaded.error;
    const { config } = loaded;
    this.#world.schedule(this.process, 0, () => {
      const { components } = createQueryService({
        ...parts(this.#world, this.process, this.#brokers),
        config,
        sql: SQL,
        keptMs: 86_400_000,
      });
      void startInOrder(components);
    });
  }
}
