import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition, type RowShape } from './action.js';
import { name, path, pid, unixTime, word } from './fields.js';

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

const params = z.strictObject({
  name: name('a service name')
    // Service managers take options on the same command line, and init scripts are file names.
    .refine((value) => !value.startsWith('-') && !/[\\/]/.test(value), {
      error: 'a service name must not begin with "-" nor have a slash in it',
    })
    .optional()
    .describe('Service: a systemd unit or init script, a Windows service, a launchd label'),
});

const SERVICES: RowShape = { table: 'services', required: ['name'], optional: ['path'] };
const UNITS: RowShape = { table: 'systemd_units', required: ['id'], optional: ['fragment_path'] };
const JOBS: RowShape = { table: 'launchd', required: ['label'], optional: ['path'] };

const serviceCommon = {
  params,
  object: [{ required: ['name'], optional: [] }],
  platforms: EVERY_PLATFORM,
  binds: SERVICES,
  bindsToo: [UNITS, JOBS],
  timeoutMs: 120_000,
  lane: 'service',
} satisfies Partial<ActionDefinition>;

export const serviceActions: readonly ActionDefinition[] = [
  {
    ...serviceCommon,
    name: 'service.stop',
    summary: 'Stops a service; it may start again at the next boot',
    reversible: true,
    destructive: true,
  },
  { ...serviceCommon, name: 'service.start', summary: 'Starts a service', reversible: true, destructive: false },
  {
    ...serviceCommon,
    name: 'service.restart',
    summary: 'Stops a service and starts it again',
    reversible: false,
    destructive: true,
  },
];

export const sessionActions: readonly ActionDefinition[] = [
  {
    name: 'session.logout',
    summary: 'Ends the sessions of a user, or one session',
    params: z.strictObject({
      user: word('a user').optional().describe('Login name: all sessions of this user'),
      tty: word('a terminal').optional().describe('Only the session on this terminal, as logged_in_users.tty has it'),
      session: word('a session').optional().describe('Id of the session, as loginctl or query session shows it'),
    }),
    object: [
      { required: ['user'], optional: ['tty'] },
      { required: ['session'], optional: [] },
    ],
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: true,
    binds: {
      table: 'logged_in_users',
      required: ['user', 'tty'],
      optional: ['pid', 'time'],
      integers: ['pid', 'time'],
    },
    timeoutMs: 30_000,
    lane: 'session',
  },
];
