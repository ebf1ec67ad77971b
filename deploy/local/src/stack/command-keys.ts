import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  generateCommandRoot,
  generateSigningJwks,
  parseSigningJwks,
  publicJwks,
  readCommandKeys,
  signCommandKeys,
  type PrivateJwks,
} from '@muster/identity';

/** The key files for the commands of a stack. */
export interface CommandKeyFiles {
  /** The private root, which signs key lists. No program gets it, and outside of a local stack it belongs on no server. */
  readonly rootPath: string;
  /** The public roots, which gateways hand out at enrolment. */
  readonly rootsPath: string;
  /** The private JWKS that signs commands. */
  readonly keysPath: string;
  /** The key list, signed by the root. */
  readonly keyListPath: string;
}

/** Creates root, signing key and key list once, and reads them afterwards: agents have pinned the root. */
export async function ensureCommandKeys(folder: string): Promise<CommandKeyFiles> {
  const paths = {
    rootPath: join(folder, 'command-root.json'),
    rootsPath: join(folder, 'command-roots.json'),
    keysPath: join(folder, 'command-keys.json'),
    keyListPath: join(folder, 'command-key-list.jws'),
  };
  const root = await privateKeys(paths.rootPath, generateCommandRoot);
  const keys = await privateKeys(paths.keysPath, generateSigningJwks);
  await readOrCreate(paths.rootsPath, () => JSON.stringify(publicJwks(root)));
  const current = publicJwks(keys).keys.map(({ kid, x }) => ({ kid, x }));
  const list = await readOrCreate(paths.keyListPath, () =>
    signCommandKeys(root, { version: 1, iat: Math.floor(Date.now() / 1_000), keys: current, retired: [] }),
  );
  const read = readCommandKeys(list, publicJwks(root).keys);
  if (!read.ok || !read.claims.keys.some(({ kid, x }) => kid === current[0]?.kid && x === current[0].x)) {
    throw new Error(`${paths.keyListPath} does not have the key in ${paths.keysPath}; start with --fresh`);
  }
  return paths;
}

async function privateKeys(path: string, generate: () => Promise<PrivateJwks>): Promise<PrivateJwks> {
  const parsed = parseSigningJwks(await readOrCreate(path, async () => JSON.stringify(await generate())));
  if (!parsed.ok) throw new Error(`${path} ${parsed.fault}; start with --fresh`);
  return parsed.jwks;
}

/** Reads a file, without surrounding white space. Creates it when it is missing, readable by its owner only. */
export async function readOrCreate(path: string, make: () => string | Promise<string>): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const value = await make();
  await writeFile(path, `${value}\n`, { mode: 0o600, flag: 'wx' });
  return value;
}
