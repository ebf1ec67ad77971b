import { realpathSync, statfsSync } from 'node:fs';
import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';
import { type Mount, parseMounts } from './parse/mounts.js';

/** A statfs on these may wait for an unreachable server or trigger a mount. */
const REMOTE = /^(nfs|cifs|smb|9p|ceph|glusterfs|lustre|afs|autofs|fuse)/;

export const mounts: Collector = {
  table: 'mounts',
  *collect(system, request) {
    for (const mount of parseMounts(system.text('/proc/self/mounts') ?? '')) {
      yield { ...mount, ...deviceAlias(system, request, mount), ...sizes(system, request, mount) };
    }
  },
};

function deviceAlias(system: System, request: CollectRequest, { device }: Mount): TableRow {
  if (!request.uses('device_alias')) return {};
  if (!device.startsWith('/')) return { device_alias: device };
  try {
    return { device_alias: system.live ? realpathSync(device) : device };
  } catch {
    return { device_alias: device };
  }
}

function sizes(system: System, request: CollectRequest, { path, type }: Mount): TableRow {
  const wanted = request.uses('blocks_size', 'blocks', 'blocks_free', 'blocks_available', 'inodes', 'inodes_free');
  if (!wanted || REMOTE.test(type) || !system.live) return {};
  try {
    const stat = statfsSync(path);
    return {
      blocks_size: stat.bsize,
      blocks: stat.blocks,
      blocks_free: stat.bfree,
      blocks_available: stat.bavail,
      inodes: stat.files,
      inodes_free: stat.ffree,
    };
  } catch {
    return {};
  }
}
