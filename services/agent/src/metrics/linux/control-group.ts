import { readFileSync } from 'node:fs';
import { hostMetric } from '@muster/host-metrics';
import { unescapeMount } from '../../tables/linux/parse/mounts.js';

const CPU_LIMIT = hostMetric('container.cpu.limit');
const MEMORY_LIMIT = hostMetric('container.memory.limit');
const MEMORY_USAGE = hostMetric('container.memory.usage');
const THROTTLED = hostMetric('container.cpu.throttled_time');
/** Version 1 writes "no limit" as the largest multiple of a page. */
const NO_LIMIT = 2 ** 60;

interface Group {
  readonly version: 1 | 2;
  /** From the group of this process up to the root that it sees: a limit of each applies. */
  readonly folders: readonly string[];
}

/**
 * The limits of the control group of this process, of either version (the kernel's
 * Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/).
 */
export function readControlGroup(host: Float64Array, root = ''): void {
  const groups = text(`${root}/proc/self/cgroup`);
  const mounts = text(`${root}/proc/self/mountinfo`);
  if (groups === undefined || mounts === undefined) return;
  readCpu(host, groupOf('cpu', groups, mounts, root));
  readMemory(host, groupOf('memory', groups, mounts, root));
}

function readCpu(host: Float64Array, group: Group | undefined): void {
  if (group === undefined) return;
  const limits = group.folders.flatMap((folder) => cpuLimit(folder, group.version) ?? []);
  if (limits.length === 0) return;
  host[CPU_LIMIT] = Math.min(...limits) * 1_000;
  const stat = text(`${group.folders[0]}/cpu.stat`) ?? '';
  const throttled = /^throttled_(usec|time) (\d{1,20})$/m.exec(stat);
  if (throttled !== null)
    host[THROTTLED] = throttled[1] === 'usec' ? Number(throttled[2]) : Number(throttled[2]) / 1_000;
}

/** Processors. */
function cpuLimit(folder: string, version: 1 | 2): number | undefined {
  const [quota, period] =
    version === 2
      ? (text(`${folder}/cpu.max`)?.trim().split(' ') ?? [])
      : [text(`${folder}/cpu.cfs_quota_us`)?.trim(), text(`${folder}/cpu.cfs_period_us`)?.trim()];
  const limit = Number(quota) / Number(period);
  return quota !== undefined && /^\d+$/.test(quota) && Number.isFinite(limit) && limit > 0 ? limit : undefined;
}

function readMemory(host: Float64Array, group: Group | undefined): void {
  if (group === undefined) return;
  const [limitFile, usageFile] =
    group.version === 2 ? ['memory.max', 'memory.current'] : ['memory.limit_in_bytes', 'memory.usage_in_bytes'];
  let lowest: { readonly limit: number; readonly folder: string } | undefined;
  for (const folder of group.folders) {
    const limit = bytes(`${folder}/${limitFile}`);
    if (limit !== undefined && limit < (lowest?.limit ?? NO_LIMIT)) lowest = { limit, folder };
  }
  if (lowest === undefined) return;
  host[MEMORY_LIMIT] = lowest.limit;
  host[MEMORY_USAGE] = bytes(`${lowest.folder}/${usageFile}`) ?? Number.NaN;
}

function groupOf(controller: string, groups: string, mounts: string, root: string): Group | undefined {
  const lines = groups.split('\n').map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line));
  const v1 = lines.find((match) => match?.[1]?.split(',').includes(controller));
  const version = v1 === undefined ? 2 : 1;
  const own = (v1 ?? lines.find((match) => match?.[1] === ''))?.[2];
  const mount = mounts.split('\n').find((line) => {
    const [type, , options = ''] = line.split(' - ')[1]?.split(' ') ?? [];
    return version === 2 ? type === 'cgroup2' : type === 'cgroup' && options.split(',').includes(controller);
  });
  const [, , , mountRoot, point] = mount?.split(' ') ?? [];
  if (own === undefined || mountRoot === undefined || point === undefined) return undefined;
  // In a container the mount shows a part of the tree only.
  const below =
    own === mountRoot || mountRoot === '/'
      ? own.slice(mountRoot === '/' ? 0 : mountRoot.length)
      : own.replace(mountRoot, '');
  const parts = below.split('/').filter((part) => part !== '' && part !== '..');
  const top = `${root}${unescapeMount(point)}`;
  const folders = parts.map((_, i) => [top, ...parts.slice(0, parts.length - i)].join('/'));
  return { version, folders: [...folders, top] };
}

function bytes(path: string): number | undefined {
  const word = text(path)?.trim();
  return word !== undefined && /^\d{1,20}$/.test(word) ? Number(word) : undefined;
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
