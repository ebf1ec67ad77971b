import { rename, rm, writeFile } from 'node:fs/promises';

/**
 * Writes the ready file, which says that this process is ready and where it listens: `{"pid":1,"ports":{"health":9100}}`.
 * The file appears complete or not at all.
 */
export async function writeReadyFile(path: string, ports: Readonly<Record<string, number>>): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(draft, `${JSON.stringify({ pid: process.pid, ports })}\n`);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
