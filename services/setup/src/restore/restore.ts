import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { formatIn, refuseOtherFormat, type StreamDescription, type StreamSnapshots } from '@muster/bus';
import { STREAMS } from '@muster/records';
import type { Logger } from '@muster/runtime';
import { readBackup, type BackupManifest, type KeptStream } from '../backup/backup-folder.js';

export interface RestoreOptions {
  readonly folder: string;
  /** Delete streams that hold entries. */
  readonly replace: boolean;
  /** On how many servers they are kept; default: as many as before. */
  readonly replicas?: number | undefined;
  readonly logger: Logger;
}

const PART_BYTES = 128 * 1024;

/**
 * Makes the streams of a backup again. All is checked before anything is changed: the files, their formats, that nobody
 * reads the streams that are there, and that these hold nothing.
 * @throws StreamError, Error that says what is in the way.
 */
export async function restore(
  snapshots: Pick<StreamSnapshots, 'list' | 'restore' | 'remove'>,
  { folder, replace, replicas, logger }: RestoreOptions,
): Promise<BackupManifest> {
  const manifest = await readBackup(folder);
  const known = new Map<string, { readonly name: string }>(Object.values(STREAMS).map((one) => [one.name, one]));
  for (const { config } of manifest.streams) {
    const definition = known.get(config.name);
    if (definition === undefined)
      throw new Error(`the backup has a stream ${config.name}, which this version does not know`);
    refuseOtherFormat({ subjects: [], ...definition }, formatIn(config.description));
  }
  const there = (await snapshots.list()).filter(({ config }) => known.has(config.name));
  refuseUsed(there, replace);
  for (const { config } of there) await snapshots.remove(config.name);
  for (const kept of manifest.streams) await restoreOne(snapshots, kept, join(folder, kept.file), { replicas, logger });
  return manifest;
}

function refuseUsed(there: readonly StreamDescription[], replace: boolean): void {
  const read = there.filter(({ state }) => state.consumer_count > 0).map(({ config }) => config.name);
  if (read.length > 0) throw new Error(`services read ${read.join(', ')}: stop all of them first`);
  const full = there.filter(({ state }) => state.messages > 0).map(({ config }) => config.name);
  if (full.length > 0 && !replace) throw new Error(`${full.join(', ')} hold entries; --replace deletes them`);
}

async function restoreOne(
  snapshots: Pick<StreamSnapshots, 'restore'>,
  { config, state }: KeptStream,
  path: string,
  { replicas, logger }: Pick<RestoreOptions, 'replicas' | 'logger'>,
): Promise<void> {
  const wanted = replicas === undefined ? config : { ...config, num_replicas: replicas };
  const parts = createReadStream(path, { highWaterMark: PART_BYTES });
  const made = await snapshots.restore({ config: wanted, state }, parts);
  if (made.state.messages > state.messages || made.state.last_seq !== state.last_seq) {
    const [found, kept] = [made.state, state].map(
      ({ messages, last_seq: last }) => `${messages} entries up to ${last}`,
    );
    throw new Error(`stream ${config.name} has ${found} after its restoration, and had ${kept}`);
  }
  logger.info('stream is restored', {
    stream: config.name,
    entries: made.state.messages,
    lastSeq: made.state.last_seq,
  });
}
