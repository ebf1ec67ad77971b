import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StreamDescription } from '@muster/bus';

/** One stream of a backup. */
export interface KeptStream extends StreamDescription {
  /** In the folder of the backup. */
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 of the file, hex. */
  readonly sha256: string;
}

/** `backup.json`: written last, so that a folder without it is no backup. */
export interface BackupManifest {
  readonly format: 1;
  /** ISO 8601: when it began. */
  readonly at: string;
  readonly streams: readonly KeptStream[];
}

const MANIFEST = 'backup.json';

/**
 * Makes the folder of a new backup, for its owner alone: it holds what decides rights, and the secrets of webhooks.
 * @throws Error when there is something in it.
 */
export async function newBackupFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) throw new Error(`${folder} is not empty; a backup needs a folder of its own`);
}

/** Writes the file of a stream as its parts come. */
export async function keepStream(
  folder: string,
  stream: string,
  take: (write: (part: Uint8Array) => Promise<void>) => Promise<StreamDescription>,
): Promise<KeptStream> {
  const file = `${stream}.snapshot`;
  const handle = await open(join(folder, file), 'wx', 0o600);
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    const description = await take(async (part) => {
      hash.update(part);
      bytes += part.length;
      await handle.appendFile(part);
    });
    await handle.sync();
    const { config, state } = description;
    return { config, state, file, bytes, sha256: hash.digest('hex') };
  } finally {
    await handle.close();
  }
}

/** Ends a backup: from now on the folder is one. */
export async function writeManifest(folder: string, manifest: BackupManifest): Promise<void> {
  const draft = join(folder, `${MANIFEST}.tmp`);
  await writeFile(draft, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(draft, join(folder, MANIFEST));
}

/**
 * Reads a backup and compares each file with what was written.
 * @throws Error that names what is missing or was changed.
 */
export async function readBackup(folder: string): Promise<BackupManifest> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch(() => {
    throw new Error(`${folder} is no backup: it has no ${MANIFEST}, which is written last`);
  });
  const manifest = JSON.parse(text) as BackupManifest;
  if (manifest.format !== 1)
    throw new Error(`${folder} has format ${String(manifest.format)}, and this version reads 1`);
  for (const { file, bytes, sha256, config } of manifest.streams) {
    if (file !== `${config.name}.snapshot`) throw new Error(`${folder} names a file ${JSON.stringify(file)}`);
    const path = join(folder, file);
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== bytes) throw new Error(`${path} has ${found?.size ?? 'no'} bytes where ${bytes} were written`);
    const hash = createHash('sha256');
    for await (const part of createReadStream(path)) hash.update(part as Uint8Array);
    if (hash.digest('hex') !== sha256) throw new Error(`${path} was changed since it was written`);
  }
  return manifest;
}
