import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** `.muster/local.json`: addresses and secrets for the CLI and for scripts. It exists only while the stack runs. */
export interface LocalFile {
  readonly apiUrl: string;
  readonly gatewayUrls: readonly string[];
  readonly healthUrls: Readonly<Record<string, string>>;
  readonly caPath: string | undefined;
  readonly org: string;
  readonly token: string;
  readonly enrollSecret: string;
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly natsMonitorUrl: string | undefined;
  readonly prometheusUrl: string | undefined;
  readonly pids: Readonly<Record<string, number>>;
}

/** Writes the file atomically, readable by its owner only: it holds secrets. */
export async function writeLocalFile(folder: string, content: LocalFile): Promise<void> {
  const path = join(folder, 'local.json');
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}

export async function removeLocalFile(folder: string): Promise<void> {
  await rm(join(folder, 'local.json'), { force: true });
}
