import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { addressBlock, duration } from './fields.js';

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
