import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Pack, readPack } from '@muster/packs';
import type { SourceFile } from '@muster/packs/import';
import { CliError, usageError } from '../terminal/cli-error.js';
import { shippedPacks } from './shipped-packs.js';

/** The largest file that is read; a pack has at most 2 MiB. */
const MAX_BYTES = 8 * 1024 * 1024;

/** A file, or a pack that comes with the CLI, by its id. @throws CliError when there is neither */
export async function readSource(path: string): Promise<SourceFile> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) throw usageError(`${path} has more than ${MAX_BYTES} bytes`);
    return { name: basename(path), text: await readFile(path, 'utf8') };
  } catch (error) {
    if (error instanceof CliError) throw error;
    const shipped = isMissing(error) ? shippedPacks() : undefined;
    const text = shipped?.get(path);
    if (text !== undefined) return { name: `${path}.yaml`, text };
    if (shipped !== undefined && !/[./\\]/.test(path))
      throw usageError(
        `there is no file ${path}, and no pack of this name`,
        `these come along: ${[...shipped.keys()].join(', ')}`,
      );
    throw usageError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** @throws CliError with the first fault when the file is no pack */
export async function readPackFile(path: string): Promise<Pack> {
  const read = readPack((await readSource(path)).text);
  if (read.ok) return read.pack;
  const [first] = read.faults;
  throw new CliError(`${path}:${first?.line ?? 1}:${first?.column ?? 1}: ${first?.message ?? 'is no pack'}`, {
    hint: `muster pack lint ${path} shows all faults`,
  });
}

function isMissing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}
