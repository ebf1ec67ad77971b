import { loadQueryConfig } from '@muster/query/config';
import { createQueryService, type SqlThreads } from '@muster/query/query-service';
import type { World } from '../world/world.js';
import type { Brokers } from './parts.js';
import { ServiceNode } from './service-node.js';

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
export class QueryNode extends ServiceNode {
  constructor(world: World, name: string, brokers: Brokers) {
    const loaded = loadQueryConfig({ MUSTER_NATS_URL: 'nats://simulated:1', MUSTER_REDIS_URL: 'redis://simulated:1' });
    if (!loaded.ok) throw loaded.error;
    const { config } = loaded;
    super(world, name, brokers, (base) => {
      return createQueryService({ ...base, config, sql: SQL, keptMs: 86_400_000 }).components;
    });
  }
}
