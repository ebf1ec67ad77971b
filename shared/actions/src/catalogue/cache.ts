import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { address, networkInterface } from './fields.js';

export const cacheActions: readonly ActionDefinition[] = [
  {
    name: 'arp.flush',
    summary: 'Forgets learned hardware addresses of neighbours; entries set by hand stay',
    params: z.strictObject({
      interface: networkInterface.optional().describe('Only behind this interface'),
      address: address.optional().describe('Only this neighbour'),
    }),
    object: [{ required: [], optional: ['interface', 'address'] }],
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: false,
    binds: { table: 'arp_cache', required: ['address', 'interface'], optional: ['mac'] },
    timeoutMs: 30_000,
    lane: 'cache',
  },
  {
    name: 'dns.flush',
    summary: "Empties the caches of the endpoint's own resolvers",
    params: z.strictObject({}),
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: false,
    timeoutMs: 30_000,
    lane: 'cache',
  },
];
