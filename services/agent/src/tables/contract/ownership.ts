import { lstatSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { bytesOfText, hasRawBytes, textOfBytes } from '@muster/protocol';
import type { FoundFile } from './found-file.js';

/** Says why what was found at a path is not read; `undefined` where it may be. @throws errors of system calls. */
export type Guard = (path: string, found: FoundFile) => string | undefined;

/** Whose folder it is, and where. */
export interface FolderOfUser {
  readonly uid: number;
  readonly directory: string;
}

/**
 * Files below a folder that a user controls, such as a home. A link or another name may lead from there to what that user may not
 * read, and the agent may. So a file or folder counts when it is the user's own, when it is really in that folder, or when
 * everybody may read it.
 * @param root of the tree that is read: `/`, or that of a copied one, whose paths begin there.
 */
export function ownedBy({ uid, directory }: FolderOfUser, root: string): Guard {
  // Looked up when something is found in it: what may not answer is not touched before.
  let home: { readonly path: string | undefined } | undefined;
  return (_path, found) => {
    const { stats } = found;
    if (stats.uid === uid) return undefined;
    const real = found.realPath();
    home ??= { path: realPathOf(directory) };
    if (isOneName(stats) && isBelow(real, home.path)) return undefined;
    return everybodyReads(real, stats, root) ? undefined : 'leads to a file of another user outside of this folder';
  };
}

/**
 * What a statement or a command names. Who made a link on the way, or another name, must be root, own the file, or be able to
 * read it like everybody.
 */
export function linksCount(root: string): Guard {
  return (path, found) => {
    const { stats } = found;
    const real = found.realPath();
    if (real === path && isOneName(stats)) return undefined;
    const way = resolveLinks(path);
    if (way.path !== real && !way.isByProcess) return 'leads elsewhere from one moment to the next';
    const makers = [...way.owners, ...(isOneName(stats) ? [] : nameMakers(real))];
    const isTrusted = makers.every((uid) => uid === 0 || uid === stats.uid);
    const isPublic = isTrusted || (!way.isByProcess && everybodyReads(real, stats, root));
    return isPublic ? undefined : 'leads by the link of a user to a file of another user';
  };
}

/** Folders have a name in each of theirs. */
function isOneName(stats: Stats): boolean {
  return stats.isDirectory() || stats.nlink <= 1;
}

/** Who may have made another name of a file; `NOBODY` where it is not known. */
function nameMakers(real: string): number[] {
  const { uid, mode } = statSync(bytesOf(dirname(real)));
  return (mode & OTHERS_WRITE) === 0 ? [uid] : [NOBODY];
}

const NOBODY = -1;
const OTHERS_WRITE = 0o002;
const ALL_READ = 0o044;
const ALL_ENTER = 0o011;
const MAX_LINKS = 40;

/** Whether the group and all others may read it, and go there. */
function everybodyReads(real: string, stats: Stats, root: string): boolean {
  if (!isBelow(real, root) || (stats.mode & ALL_READ) !== ALL_READ) return false;
  if (stats.isDirectory() && (stats.mode & ALL_ENTER) !== ALL_ENTER) return false;
  for (let folder = dirname(real); isBelow(folder, root); folder = dirname(folder)) {
    const found = statSync(bytesOf(folder), { throwIfNoEntry: false });
    if (found === undefined || (found.mode & ALL_ENTER) !== ALL_ENTER) return false;
  }
  return true;
}

function isBelow(path: string, folder: string | undefined): boolean {
  if (folder === undefined) return false;
  return path !== folder && path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/**
 * Where a home is. A home that is the whole tree is nobody's, and so is one behind a link that somebody other than root made, its
 * user too: it may lead to the home of anybody.
 */
function realPathOf(directory: string): string | undefined {
  try {
    const { path, owners } = resolveLinks(directory);
    return path === '/' || owners.some((uid) => uid !== 0) ? undefined : path;
  } catch {
    return undefined;
  }
}

/** How a path leads to what is there. */
export interface Way {
  /** Without links. */
  readonly path: string;
  /** Of the links on the way. */
  readonly owners: readonly number[];
  /** It goes through a link of the kernel to what a process has, for which there may be no path. */
  readonly isByProcess: boolean;
}

const BY_PROCESS = /^\/proc\/[^/]+(\/task\/[^/]+)?\/(root|cwd|exe|(fd|map_files)\/[^/]+)$/;

/** Where a path leads (path_resolution(7)). @throws errors of lstat(2); `ELOOP`. */
export function resolveLinks(path: string): Way {
  const owners: number[] = [];
  const open = path.split('/').toReversed();
  let at = '';
  let isByProcess = false;
  for (let segment = open.pop(); segment !== undefined; segment = open.pop()) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') {
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
      continue;
    }
    const next = `${at}/${segment}`;
    const stats = lstatSync(bytesOf(next));
    if (!stats.isSymbolicLink() || BY_PROCESS.test(next)) {
      isByProcess ||= stats.isSymbolicLink();
      at = next;
      continue;
    }
    owners.push(stats.uid);
    if (owners.length > MAX_LINKS) throw Object.assign(new Error(`too many links: ${path}`), { code: 'ELOOP' });
    const target = textOfBytes(readlinkSync(bytesOf(next), { encoding: 'buffer' }));
    if (target.startsWith('/')) at = '';
    open.push(...target.split('/').toReversed());
  }
  return { path: at === '' ? '/' : at, owners, isByProcess };
}

function bytesOf(path: string): string | Buffer {
  return hasRawBytes(path) ? bytesOfText(path) : path;
}
