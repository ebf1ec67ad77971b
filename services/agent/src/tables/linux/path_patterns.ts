import type { CollectRequest, Constraint } from '@muster/tables';
import type { System } from '../contract/system.js';

/** Maximum depth below `%%`. Deeper trees may be traps. */
const MAX_DEPTH = 64;

/**
 * Paths that may match a LIKE pattern. `%` and `_` match within one name. `%%` alone between slashes matches names at
 * any depth. Links to folders are followed on levels that the pattern names, but not below `%%`.
 */
export function* matchPaths(system: System, request: CollectRequest, pattern: string): Iterable<string> {
  yield* matchSegments(system, request, '', pattern.slice(1).split('/'));
}

function* matchSegments(
  system: System,
  request: CollectRequest,
  base: string,
  segments: readonly string[],
): Iterable<string> {
  request.checkpoint();
  const [segment = '', ...rest] = segments;
  if (segment === '%%') {
    yield* descend(system, request, base, rest, 0);
    return;
  }
  for (const name of namesOf(system, base, segment)) {
    const path = `${base}/${name}`;
    if (rest.length > 0) yield* matchSegments(system, request, path, rest);
    else if (name === '' || system.lstat(path) !== undefined) yield path === '' ? '/' : path;
  }
}

/** A name without wildcards is taken as it is, even when the folder cannot be listed. */
function namesOf(system: System, base: string, segment: string): string[] {
  if (!/[%_]/.test(segment)) return [segment];
  const matches = likeMatcher(segment);
  return system.list(base === '' ? '/' : base).filter(matches);
}

function* descend(
  system: System,
  request: CollectRequest,
  base: string,
  rest: readonly string[],
  depth: number,
): Iterable<string> {
  request.checkpoint();
  if (rest.length > 0) yield* matchSegments(system, request, base, rest);
  if (depth >= MAX_DEPTH) return;
  for (const name of system.list(base === '' ? '/' : base)) {
    const path = `${base}/${name}`;
    const stat = system.lstat(path);
    if (stat === undefined) continue;
    if (rest.length === 0) yield path;
    if (stat.isDirectory()) yield* descend(system, request, path, rest, depth + 1);
  }
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
export interface CandidatePath {
  readonly path: string;
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
    if (isPath) yield { path: value, directory: directoryOf(value) };
    else yield* children(system, value);
    return;
  }
  for (const path of matchPaths(system, request, value)) {
    if (isPath) yield { path, directory: directoryOf(path) };
    else if (system.isDirectory(path)) yield* children(system, path);
  }
}

function isAbsolute({ value }: Constraint): boolean {
  return typeof value === 'string' && value.startsWith('/');
}

/** Orders constraints by cost. The cheapest one finds the candidates; SQLite checks the others. */
function rank({ column, op }: Constraint): number {
  return (column === 'path' ? 0 : 1) + (op === '=' ? 0 : 2);
}

function* children(system: System, directory: string): Iterable<CandidatePath> {
  const base = directory.endsWith('/') ? directory : `${directory}/`;
  for (const name of system.list(directory)) yield { path: base + name, directory };
}

export function directoryOf(path: string): string {
  const end = path.replace(/\/+$/, '').lastIndexOf('/');
  return end <= 0 ? '/' : path.slice(0, end);
}
