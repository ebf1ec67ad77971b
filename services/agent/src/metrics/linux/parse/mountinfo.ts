import { unescapeMount } from '../../../tables/linux/parse/mounts.js';
import { isRemoteType, type Mounts, parseMountinfo } from '../../../tables/linux/remote-mounts.js';

/** What the kernel makes up, and images that are always full. */
const NO_STORAGE =
  /^(?:autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|proc|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$/;
const OF_THE_KERNEL =
  /^\/(?:dev|proc|sys|run\/(?:credentials|user|netns)|var\/lib\/(?:docker|containers|kubelet))(?:\/|$)/;

/**
 * The mount points of the local file systems in the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)), as Latin-1,
 * in the order in which they were mounted. A file system that is mounted at several places is listed once. Those of
 * other machines and of programs are left out, and what is mounted below one, because the way there leads through it.
 */
export function parseLocalMounts(text: string): string[] {
  const all = parseMountinfo(text);
  const byPoint = new Map<string, { readonly device: string; readonly type: string }>();
  for (const line of text.split('\n')) {
    const [own = '', rest = ''] = line.split(' - ', 2);
    const [, , device, , point] = own.split(' ');
    const [type] = rest.split(' ');
    // A later mount covers an earlier one at the same place.
    if (device !== undefined && point?.startsWith('/') && type) byPoint.set(unescapeMount(point), { device, type });
  }
  const devices = new Set<string>();
  return [...byPoint].flatMap(([point, { device, type }]) => {
    const isStorage = !NO_STORAGE.test(type) && !OF_THE_KERNEL.test(point) && (type !== 'overlay' || point === '/');
    const isBehindRemote = isRemoteType(type) || behindRemote(point, all);
    if (!isStorage || isBehindRemote || devices.has(device)) return [];
    devices.add(device);
    return [point];
  });
}

function behindRemote(point: string, mounts: Mounts): boolean {
  for (let at = point.lastIndexOf('/'); at > 0; at = point.lastIndexOf('/', at - 1)) {
    if (mounts.get(point.slice(0, at)) === true) return true;
  }
  return mounts.get('/') === true;
}
