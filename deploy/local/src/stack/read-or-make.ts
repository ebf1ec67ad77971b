import { readFile, writeFile } from 'node:fs/promises';

/** The text of a file, without the white space around it; made when there is none, for its owner's eyes only. */
export async function readOrMake(path: string, make: () => string | Promise<string>): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const value = await make();
  await writeFile(path, `${value}\n`, { mode: 0o600, flag: 'wx' });
  return value;
}
