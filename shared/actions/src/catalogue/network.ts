import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { address, addressBlock, duration, networkInterface, pid, port } from './fields.js';

const FOUR = ['local_address', 'local_port', 'remote_address', 'remote_port'];

export const connectionActions: readonly ActionDefinition[] = [
  {
    name: 'connection.kill',
    summary: 'Ends one network connection and leaves its process alone',
    params: z.strictObject({
      protocol: z.enum(['tcp', 'udp'], 'a protocol is tcp or udp').default('tcp').describe('Protocol'),
      local_address: address.optional().describe('Address on this side'),
      local_port: port.optional().describe('Port on this side'),
      remote_address: address.optional().describe('Address on the other side'),
      remote_port: port.optional().describe('Port on the other side'),
      pid: pid.optional().describe('Process that must hold it'),
    }),
    object: [{ required: FOUR, optional: ['protocol', 'pid'] }],
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: true,
    binds: {
      table: 'process_open_sockets',
      required: ['pid', 'protocol', ...FOUR],
      // The socket's inode distinguishes it from a later connection with the same ports.
      optional: ['socket', 'net_namespace'],
      integers: ['pid', 'protocol', 'local_port', 'remote_port', 'socket'],
    },
    timeoutMs: 30_000,
    lane: 'connection',
  },
];

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

const MINUTE_MS = 60_000;
/** Limits how long a forgotten isolation can lock everybody out. */
const LONGEST_ISOLATION_MS = 24 * 60 * MINUTE_MS;

export const hostActions: readonly ActionDefinition[] = [
  {
    name: 'host.isolate',
    summary: 'Cuts the endpoint off from everything but its gateway; ends by itself',
    params: z.strictObject({
      allow: z
        .array(addressBlock, 'allow is a list of addresses')
        .max(64, 'at most 64 addresses may stay reachable')
        .default([])
        .describe('Addresses and blocks that stay reachable besides'),
      releaseAfter: duration('releaseAfter', 5_000, LONGEST_ISOLATION_MS)
        .default('1h')
        .describe('When the endpoint releases itself, whatever happens'),
    }),
    platforms: EVERY_PLATFORM,
    reversible: true,
    destructive: true,
    timeoutMs: 60_000,
    lane: 'isolation',
  },
  {
    name: 'host.release',
    summary: 'Ends the isolation of the endpoint',
    params: z.strictObject({}),
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: false,
    timeoutMs: 60_000,
    lane: 'isolation',
  },
];
