import { readFile, writeFile } from 'node:fs/promises';

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
