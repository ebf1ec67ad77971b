import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { name, sha256, word } from './fields.js';

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

const HIVE = /^(HKEY_(LOCAL_MACHINE|USERS|CURRENT_USER|CURRENT_CONFIG|CLASSES_ROOT)|HKLM|HKU|HKCU|HKCC|HKCR)\\[^\\]/i;
const registryPath = name('a registry path', 16_383).regex(HIVE, {
  error: 'a registry path begins with its hive, such as HKEY_LOCAL_MACHINE\\SOFTWARE\\Vendor',
});
const type = z
  .string('a type must be text')
  .regex(/^[A-Z0-9_]{1,40}$/, 'a type is one of REG_SZ, REG_DWORD and so on')
  .optional();

const registryCommon = {
  platforms: ['windows'],
  reversible: true,
  destructive: true,
  timeoutMs: 30_000,
  lane: 'registry',
} satisfies Partial<ActionDefinition>;

export const registryActions: readonly ActionDefinition[] = [
  {
    ...registryCommon,
    name: 'registry.delete_value',
    summary: 'Deletes one value of the registry',
    params: z.strictObject({
      path: registryPath.optional().describe('Key and name of the value, as registry.path has it'),
      type: type.describe('Type that it must have'),
      data_sha256: sha256.optional().describe('SHA-256 that its data, as registry.data shows it, must have'),
    }),
    object: [{ required: ['path'], optional: ['type', 'data_sha256'] }],
    binds: {
      table: 'registry',
      required: ['path', 'type', 'data'],
      // The name of a value may contain a backslash. Then only key and name tell where the key ends.
      optional: ['key', 'name'],
      hashed: ['data'],
    },
  },
  {
    ...registryCommon,
    name: 'registry.delete_key',
    summary: 'Deletes one key of the registry with its values',
    params: z.strictObject({
      path: registryPath.optional().describe('Key, as registry.path has it for a subkey'),
      recursive: z.boolean('recursive is true or false').default(false).describe('With the keys below it'),
    }),
    object: [{ required: ['path'], optional: [] }],
    binds: { table: 'registry', required: ['path', 'type'], optional: ['mtime'], integers: ['mtime'] },
  },
];
