import { statfsSync } from 'node:fs';
import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { type Mount, parseMounts } from './parse/mounts.js';
import { isRemoteType } from './remote-mounts.js';

/** The unit of sizes in /sys, for every device. */
const SECTOR = 512;

/** Mounts and block devices. */
export const STORAGE_COLLECTORS: readonly Collector[] = [
  {
    table: 'mounts',
    *collect(system, request) {
      for (const mount of parseMounts(system.text('/proc/self/mounts') ?? '')) {
        yield { ...mount, ...deviceAlias(system, request, mount), ...sizes(system, request, mount) };
      }
    },
  },
  {
    table: 'block_devices',
    *collect(system) {
      for (const disk of system.list('/sys/block')) {
        const base = `/sys/block/${disk}`;
        yield readDevice(system, base, base, disk, '');
        for (const part of system.list(base)) {
          if (system.exists(`${base}/${part}/partition`)) yield readDevice(system, `${base}/${part}`, base, part, disk);
        }
      }
    },
  },
];

function deviceAlias(system: System, request: CollectRequest, { device }: Mount): TableRow {
  if (!request.uses('device_alias')) return {};
  // Other paths may lead into a file system that does not answer.
  if (!device.startsWith('/dev/')) return { device_alias: device };
  return { device_alias: (system.live ? system.realPath(device) : undefined) ?? device };
}

function sizes(system: System, request: CollectRequest, { path, type }: Mount): TableRow {
  const wanted = request.uses('blocks_size', 'blocks', 'blocks_free', 'blocks_available', 'inodes', 'inodes_free');
  // A statfs there may wait for a server that cannot be reached, or trigger a mount.
  if (!wanted || isRemoteType(type) || !system.live) return {};
  const real = system.real(path);
  try {
    const stat = statfsSync(real);
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

function readDevice(system: System, base: string, diskBase: string, name: string, parent: string): TableRow {
  const blockSize = Number(system.word(`${diskBase}/queue/logical_block_size`) ?? SECTOR);
  const sectors = Number(system.word(`${base}/size`) ?? 0);
  const udev = udevProperties(system, system.word(`${base}/dev`));
  return {
    name: devicePath(name),
    parent: parent === '' ? '' : devicePath(parent),
    vendor: system.word(`${diskBase}/device/vendor`) ?? '',
    model: system.word(`${diskBase}/device/model`) ?? '',
    serial: system.word(`${diskBase}/device/serial`) ?? udev.get('ID_SERIAL_SHORT') ?? '',
    size: Math.floor((sectors * SECTOR) / blockSize),
    block_size: blockSize,
    uuid: udev.get('ID_FS_UUID') ?? '',
    type: udev.get('ID_FS_TYPE') ?? '',
    label: udev.get('ID_FS_LABEL') ?? '',
  };
}

/** The kernel writes `!` for a slash in device names. */
function devicePath(name: string): string {
  return `/dev/${name.replaceAll('!', '/')}`;
}

/** Properties that udev stored for the device. */
function udevProperties(system: System, number: string | undefined): Map<string, string> {
  const text = number === undefined ? '' : (system.text(`/run/udev/data/b${number}`) ?? '');
  const lines = text.split('\n').map((line) => /^E:(\w+)=(.*)$/.exec(line));
  return new Map(lines.flatMap((match) => (match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const])));
}
