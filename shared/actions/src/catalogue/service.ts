import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition, type RowShape } from './action.js';
import { name } from './fields.js';

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

const common = {
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
    ...common,
    name: 'service.stop',
    summary: 'Stops a service; it may start again at the next boot',
    reversible: true,
    destructive: true,
  },
  { ...common, name: 'service.start', summary: 'Starts a service', reversible: true, destructive: false },
  {
    ...common,
    name: 'service.restart',
    summary: 'Stops a service and starts it again',
    reversible: false,
    destructive: true,
  },
];
