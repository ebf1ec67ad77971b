import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { name, path, sha256 } from './fields.js';

export const fileActions: readonly ActionDefinition[] = [
  {
    name: 'file.quarantine',
    summary: 'Moves a file to where nobody can run or read it, with what it takes to put it back',
    params: z.strictObject({
      path: path.optional().describe('File'),
      sha256: sha256.optional().describe('SHA-256 that its content must have'),
    }),
    object: [{ required: ['path'], optional: ['sha256'] }],
    platforms: EVERY_PLATFORM,
    reversible: true,
    destructive: true,
    binds: { table: 'hash', required: ['path', 'sha256'], optional: [] },
    bindsToo: [
      {
        table: 'file',
        required: ['path'],
        optional: ['inode', 'device', 'size', 'mtime'],
        integers: ['inode', 'device', 'size', 'mtime'],
      },
    ],
    timeoutMs: 120_000,
    lane: 'file',
  },
  {
    name: 'file.restore',
    summary: 'Puts a file back from quarantine',
    params: z.strictObject({
      item: name('an item', 128).optional().describe('Item of the quarantine, as file.quarantine reported it'),
      path: path.optional().describe('Where the file was; the latest one from there'),
      sha256: sha256.optional().describe('SHA-256 of the content that is wanted'),
    }),
    object: [
      { required: ['item'], optional: [] },
      { required: ['path'], optional: ['sha256'] },
    ],
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: false,
    timeoutMs: 120_000,
    lane: 'file',
  },
];
