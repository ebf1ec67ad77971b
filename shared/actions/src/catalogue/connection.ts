import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { address, pid, port } from './fields.js';

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
