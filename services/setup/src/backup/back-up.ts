import type { StreamSnapshots } from '@muster/bus';
import { STREAMS } from '@muster/records';
import type { Logger } from '@muster/runtime';
import { keepStream, newBackupFolder, writeManifest, type BackupManifest, type KeptStream } from './backup-folder.js';

/**
 * The streams, one after the other while services run. What says how far another stream was read or what became of it
 * comes before that stream, so that a backup never knows of entries that it does not have: positions of webhooks, audit
 * records of journal entries, answers under idempotency keys, ends of queries. Missing records are made again, missing
 * entries are not. Revocations are in the last two, as new as can be.
 */
export const BACKUP_ORDER: readonly (keyof typeof STREAMS)[] = [
  ...([
    'webhooks',
    'webhookDeliveries',
    'audit',
    'idempotency',
    'scans',
    'vulnerabilities',
    'queries',
    'results',
  ] as const),
  ...([
    'health',
    'questions',
    'posture',
    'packs',
    'feeds',
    'feedParts',
    'commands',
    'sessions',
    'operatorTokens',
    'identities',
  ] as const),
];

/**
 * Writes all streams to an empty folder.
 * @throws StreamError, Error: then the folder is no backup.
 */
export async function backUp(
  snapshots: Pick<StreamSnapshots, 'list' | 'take'>,
  folder: string,
  logger: Logger,
): Promise<BackupManifest> {
  await newBackupFolder(folder);
  const at = new Date().toISOString();
  const there = new Set((await snapshots.list()).map(({ config }) => config.name));
  const streams: KeptStream[] = [];
  for (const key of BACKUP_ORDER) {
    const { name } = STREAMS[key];
    // One of a version to come: this version's own streams are all there once muster-setup has run.
    if (!there.has(name)) throw new Error(`stream ${name} is missing at NATS; muster-setup has to make it`);
    const kept = await keepStream(folder, name, (write) => snapshots.take(name, write));
    streams.push(kept);
    logger.info('stream is backed up', { stream: name, entries: kept.state.messages, bytes: kept.bytes });
  }
  const manifest: BackupManifest = { format: 1, at, streams };
  await writeManifest(folder, manifest);
  return manifest;
}
