import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { word } from './fields.js';

export const packageActions: readonly ActionDefinition[] = [
  {
    name: 'package.remove',
    summary: 'Removes an installed application',
    params: z.strictObject({
      name: word('a package name').optional().describe('Name of the package, program or application'),
      version: word('a version').optional().describe('Version that it must have'),
      arch: word('an architecture').optional().describe('Architecture that it must have'),
      purge: z.boolean('purge is true or false').default(false).describe('With its configuration, where that is kept'),
    }),
    object: [{ required: ['name'], optional: ['version', 'arch'] }],
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: true,
    binds: { table: 'deb_packages', required: ['name', 'version', 'arch'], optional: [] },
    bindsToo: [
      {
        table: 'rpm_packages',
        required: ['name', 'version', 'release', 'arch'],
        optional: ['epoch'],
        integers: ['epoch'],
      },
      { table: 'programs', required: ['name', 'version', 'identifying_number'], optional: ['publisher'] },
      { table: 'apps', required: ['path', 'bundle_identifier'], optional: ['bundle_short_version'] },
    ],
    timeoutMs: 600_000,
    lane: 'package',
  },
];
