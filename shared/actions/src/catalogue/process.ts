import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { name, path, pid, unixTime } from './fields.js';

export const processActions: readonly ActionDefinition[] = [
  {
    name: 'process.kill',
    summary: 'Ends a process, or every process of a name',
    params: z.strictObject({
      pid: pid.optional().describe('Process id'),
      start_time: unixTime.optional().describe('When it started, as processes.start_time has it'),
      path: path.optional().describe('Its executable, as processes.path has it'),
      name: name('a process name')
        .refine((value) => !/[\\/]/.test(value), 'a process name has no folder; use path')
        .optional()
        .describe('Kill every process of exactly this name'),
      signal: z
        .enum(['TERM', 'KILL'], 'a signal is TERM or KILL')
        .default('KILL')
        .describe('TERM asks it to end, KILL ends it'),
    }),
    object: [
      { required: ['pid'], optional: ['start_time', 'path'] },
      { required: ['name'], optional: ['path'] },
    ],
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: true,
    binds: {
      table: 'processes',
      required: ['pid', 'start_time'],
      optional: ['path'],
      integers: ['pid', 'start_time'],
    },
    timeoutMs: 30_000,
    lane: 'process',
  },
];
