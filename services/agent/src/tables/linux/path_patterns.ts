import type { CollectRequest, Constraint } from '@muster/tables';
import type { System } from '../contract/system.js';
import { RemoteMounts } from './remote-mounts.js';

/**
 * Paths that may match a LIKE pattern. `%` and `_` match within one name. `%%` alone between slashes matches names at
 * any depth. Links to folders are followed on levels that the pattern names, but not below `%%`.
 *
 * File systems of other machines and of programs are entered only where the pattern names them, which wildcards do not:
 * one that does not answer would hold up every search.
 */
class PatternSearch {
  readonly #system: System;
  readonly #request: CollectRequest;
  readonly #remote: RemoteMounts;

  constructor(system: System, request: CollectRequest, remote: RemoteMounts) {
    this.#system = system;
    this.#request = request;
    this.#remote = remote;
  }

  *paths(pattern: string): Iterable<FoundPath> {
    yield* this.#named('', pattern.slice(1).split('/'));
  }

  /** Segments without wildcards: the statement names what is there. */
  *#named(base: string, segments: readonly string[]): Iterable<FoundPath> {
    const [segment = '', ...rest] = segments;
    const path = `${base}/${segment}`;
    if (isWild(segment)) yield* this.#wild({ path: base, real: this.#realPath(base), isNamed: true }, segments);
    else if (rest.length > 0) yield* this.#named(path, rest);
    else if (segment === '' || this.#system.lstat(path) !== undefined) yield whole(path === '' ? '/' : path);
  }

  /** From the first wildcard on. */
  *#wild(base: Folder, segments: readonly string[]): Iterable<FoundPath> {
    this.#request.checkpoint();
    const [segment = '', ...rest] = segments;
    if (segment === '%%') {
      yield* this.#descend(base, rest);
      return;
    }
    for (const name of namesOf(this.#system, base.path, segment)) {
      // `_` is a wildcard and a letter of names.
      const isNamed = base.isNamed && name === segment;
      const found = isNamed ? whole(`${base.path}/${name}`) : this.#find(base, name);
      if (rest.length === 0) {
        if (!found.mayTouch || name === '' || this.#system.lstat(found.path) !== undefined) yield found;
      } else if (found.mayTouch && found.mayFollow()) {
        yield* this.#wild({ path: found.path, real: this.#realPath(found.path), isNamed }, rest);
      }
    }
  }

  /** Every folder below, as deep as paths can be. A stack of its own: a tree may be deeper than calls nest. */
  *#descend(top: Folder, rest: readonly string[]): Iterable<FoundPath> {
    const open: { readonly base: Folder; readonly names: Iterator<string> }[] = [];
    const enter = (base: Folder): void => {
      this.#request.checkpoint();
      open.push({ base, names: this.#system.list(base.path === '' ? '/' : base.path).values() });
    };
    if (rest.length > 0) yield* this.#wild({ ...top, isNamed: false }, rest);
    enter(top);
    for (let current = open.at(-1); current !== undefined; current = open.at(-1)) {
      const { base, names } = current;
      const next = names.next();
      if (next.done === true) {
        open.pop();
        continue;
      }
      const found = this.#find(base, next.value);
      const stat = found.mayTouch ? this.#system.lstat(found.path) : undefined;
      if (rest.length === 0 && (stat !== undefined || !found.mayTouch)) yield found;
      if (stat?.isDirectory() !== true) continue;
      const folder = { path: found.path, real: `${base.real}/${next.value}`, isNamed: false };
      if (rest.length > 0) yield* this.#wild(folder, rest);
      enter(folder);
    }
  }

  /** The entries of a folder that a pattern found. */
  *entries({ path, mayTouch, mayFollow }: FoundPath): Iterable<FoundPath> {
    if (!mayTouch || !mayFollow() || !this.#system.isDirectory(path)) return;
    const base = { path: path === '/' ? '' : path, real: this.#realPath(path), isNamed: false };
    for (const name of this.#system.list(path)) yield this.#find(base, name);
  }

  #find({ path, real }: Folder, name: string): FoundPath {
    return {
      path: `${path}/${name}`,
      mayTouch: !this.#remote.has(`${real}/${name}`),
      mayFollow: () => !this.#remote.isBehind(real, name),
    };
  }

  /** Mounts are known by their real paths. Without remote ones nothing has to be known. */
  #realPath(path: string): string {
    if (this.#remote.isEmpty) return path;
    const real = this.#system.realPath(path === '' ? '/' : path) ?? path;
    return real === '/' ? '' : real;
  }
}

interface Folder {
  /** As the statement wrote it; empty for the root. */
  readonly path: string;
  /** With links resolved. */
  readonly real: string;
  /** The statement names it in full. */
  readonly isNamed: boolean;
}

interface FoundPath {
  readonly path: string;
  /** False for the mount point of a remote file system that only a wildcard found. */
  readonly mayTouch: boolean;
  /** Whether a link at the path may be followed. Looked up only when it is needed. */
  readonly mayFollow: () => boolean;
}

/** The statement names it: it is touched whatever it is on. */
function whole(path: string): FoundPath {
  return { path, mayTouch: true, mayFollow: () => true };
}

function isWild(segment: string): boolean {
  return /[%_]/.test(segment);
}

/** A name without wildcards is taken as it is, even when the folder cannot be listed. */
function namesOf(system: System, base: string, segment: string): string[] {
  if (!isWild(segment)) return [segment];
  const matches = likeMatcher(segment);
  return system.list(base === '' ? '/' : base).filter(matches);
}

/**
 * LIKE for one name, case-insensitive as in SQLite. Backtracks only to the last `%`, so the cost is at most pattern
 * length times name length.
 */
export function likeMatcher(pattern: string): (name: string) => boolean {
  const wanted = Array.from(pattern.toLowerCase());
  return (name) => {
    const given = Array.from(name.toLowerCase());
    let at = 0;
    let star = -1;
    let retry = 0;
    for (let i = 0; i < given.length;) {
      if (wanted[at] === '%') {
        star = at;
        retry = i;
        at += 1;
      } else if (wanted[at] === '_' || wanted[at] === given[i]) {
        at += 1;
        i += 1;
      } else if (star >= 0) {
        at = star + 1;
        retry += 1;
        i = retry;
      } else {
        return false;
      }
    }
    return wanted.slice(at).every((character) => character === '%');
  };
}

/** A file to look at, with path and folder as the statement wrote them. */
export interface CandidatePath extends FoundPath {
  readonly directory: string;
}

/**
 * The files for the constraints of `file` and `hash`: a path, the entries of a folder, or the matches of a pattern for
 * either. Paths keep the spelling of the statement, because SQLite compares them with it.
 */
export function* candidatePaths(system: System, request: CollectRequest): Iterable<CandidatePath> {
  const seen = new Set<string>();
  for (const candidate of eachCandidate(system, request)) {
    if (seen.has(candidate.path)) continue;
    seen.add(candidate.path);
    yield candidate;
  }
}

function* eachCandidate(system: System, request: CollectRequest): Iterable<CandidatePath> {
  const sorted = [...request.constraints].sort((left, right) => rank(left) - rank(right));
  // All our paths are absolute.
  if (sorted.some((one) => one.op === '=' && !isAbsolute(one))) return;
  const narrowest = sorted.find(isAbsolute);
  if (narrowest === undefined) throw new Error('a LIKE pattern of path or directory has to begin with /');
  const value = String(narrowest.value);
  const isPath = narrowest.column === 'path';
  if (narrowest.op === '=') {
    if (isPath) yield { ...whole(value), directory: directoryOf(value) };
    else for (const path of children(system, value)) yield { ...whole(path), directory: value };
    return;
  }
  const remote = request.memo('remote mounts', () => new RemoteMounts(system));
  const search = new PatternSearch(system, request, remote);
  for (const found of search.paths(value)) {
    if (isPath) yield { ...found, directory: directoryOf(found.path) };
    else for (const entry of search.entries(found)) yield { ...entry, directory: found.path };
  }
}

function isAbsolute({ value }: Constraint): boolean {
  return typeof value === 'string' && value.startsWith('/');
}

/** Orders constraints by cost. The cheapest one finds the candidates; SQLite checks the others. */
function rank({ column, op }: Constraint): number {
  return (column === 'path' ? 0 : 1) + (op === '=' ? 0 : 2);
}

function children(system: System, directory: string): string[] {
  const base = directory.endsWith('/') ? directory : `${directory}/`;
  return system.list(directory).map((name) => base + name);
}

export function directoryOf(path: string): string {
  const end = path.replace(/\/+$/, '').lastIndexOf('/');
  return end <= 0 ? '/' : path.slice(0, end);
}
