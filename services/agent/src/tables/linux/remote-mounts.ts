import { readFileSync } from 'node:fs';
import type { System } from '../contract/system.js';
import { unescapeMount } from './parse/mounts.js';

/**
 * File systems whose answers come from another machine or from a program: any call may wait for it, some without end.
 * `fusectl` is the kernel's own.
 */
const REMOTE =
  /^(nfs|cifs|smb|9p|ceph|glusterfs|lustre|afs|autofs|fuse(?!ctl)|virtiofs|ncp|coda|davfs|vboxsf|vmhgfs|prl_fs|beegfs|gpfs|orangefs|pvfs2|ocfs2|gfs2|panfs|sshfs)/;

/** Whether a file system of this type may wait for another machine or a program. */
export function isRemoteType(type: string): boolean {
  return REMOTE.test(type);
}

/** Mount points, and whether the file system there is a remote one. */
export type Mounts = ReadonlyMap<string, boolean>;

/** Reads the text of a mountinfo file (proc(5)). The kernel answers it by itself: no file system is asked. */
export function parseMountinfo(text: string): Mounts {
  const mounts = new Map<string, boolean>();
  for (const line of text.split('\n')) {
    const [own = '', rest] = line.split(' - ', 2);
    const point = own.split(' ')[4];
    // A later mount covers an earlier one at the same place.
    if (point !== undefined && rest !== undefined) mounts.set(unescapeMount(point), isRemoteType(rest));
  }
  return mounts;
}

/** The mount point of the remote file system that has `path`, by its name alone: nothing is touched. */
export function remoteMountOf(path: string, mounts: Mounts): string | undefined {
  for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const isRemote = mounts.get(at);
    if (isRemote !== undefined) return isRemote ? at : undefined;
  }
  return undefined;
}

/** The mounts of this process; none where they cannot be read. */
export function readMounts(): Mounts {
  try {
    return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    return new Map();
  }
}

/** As many links in one path as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/** The remote file systems of one statement. Asks the kernel alone, and never the file systems. */
export class RemoteMounts {
  readonly #system: System;
  readonly #mounts: Mounts;
  readonly isEmpty: boolean;

  constructor(system: System) {
    this.#system = system;
    this.#mounts = parseMountinfo(system.text('/proc/self/mountinfo') ?? '');
    this.isEmpty = [...this.#mounts.values()].every((isRemote) => !isRemote);
  }

  /** Whether a remote file system is mounted at exactly this real path. */
  has(path: string): boolean {
    return this.#mounts.get(path) === true;
  }

  /**
   * Whether `name`, an entry of the real folder `folder` or a path below it, leads into a remote file system other than
   * the folder's own. Reads links one by one, and none on that file system.
   */
  isBehind(folder: string, name: string): boolean {
    if (this.isEmpty) return false;
    let rest = name.split('/');
    let at = folder;
    for (let links = 0; rest.length > 0;) {
      const [next = '', ...others] = rest;
      rest = others;
      if (next === '' || next === '.') continue;
      at = next === '..' ? at.slice(0, Math.max(0, at.lastIndexOf('/'))) : `${at}/${next}`;
      if (this.has(at) && at !== folder && !folder.startsWith(`${at}/`)) return true;
      const target = next === '..' ? undefined : this.#system.link(at);
      if (target === undefined) continue;
      links += 1;
      if (links > MAX_LINKS) return false;
      at = target.startsWith('/') ? '' : at.slice(0, at.lastIndexOf('/'));
      rest = [...target.split('/'), ...rest];
    }
    return false;
  }
}
