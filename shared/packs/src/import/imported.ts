import type { Check, Pack } from '../format/pack-schema.js';
import { HIDDEN, HIDDEN_BUT_BREAKS, PACK_LIMITS } from '../format/pack-schema.js';

/** One file of another format. */
export interface SourceFile {
  /** Without its folder; used for ids where the format has none. */
  readonly name: string;
  readonly text: string;
}

/** Something that could not be taken over, or not as it was. */
export interface ImportNote {
  /** Id of the check, or name of the file. */
  readonly subject: string;
  readonly message: string;
}

export interface ImportedChecks {
  readonly checks: readonly Check[];
  readonly notes: readonly ImportNote[];
}

type Platform = Check['platforms'][number];
export const ALL_PLATFORMS: readonly Platform[] = ['linux', 'windows', 'darwin'];

/** An id made of a text: `Gatekeeper enabled (macOS)` is `gatekeeper-enabled-macos`. */
export function idFrom(text: string): string {
  const id = text
    .toLowerCase()
    .normalize('NFKD')
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replaceAll(/[._-]*-[._-]*|[._-]{2,}/g, '-')
    .replaceAll(/^[._-]+|[._-]+$/g, '')
    .slice(0, PACK_LIMITS.idLength)
    .replace(/[._-]+$/, '');
  return id === '' ? 'check' : id;
}

/** One line without control characters, cut to what a title may have. */
export function lineFrom(text: string, max: number = PACK_LIMITS.titleLength): string {
  return text.replaceAll(new RegExp(HIDDEN, 'gu'), ' ').replaceAll(/ {2,}/g, ' ').trim().slice(0, max);
}

/** Text of several lines without other control characters; `undefined` when nothing is left. */
export function textFrom(text: unknown, max: number = PACK_LIMITS.textLength): string | undefined {
  if (typeof text !== 'string') return undefined;
  const clean = text.replaceAll('\r\n', '\n').replaceAll(new RegExp(HIDDEN_BUT_BREAKS, 'gu'), ' ').trim().slice(0, max);
  return clean === '' ? undefined : clean;
}

/** Names that osquery, Fleet and others use. Of unknown ones `rest` is told. */
export function platformsFrom(text: unknown): { platforms: readonly Platform[]; rest: readonly string[] } {
  const names =
    typeof text === 'string'
      ? text
          .toLowerCase()
          .split(/[\s,|]+/)
          .filter((one) => one !== '')
      : [];
  if (names.length === 0) return { platforms: ALL_PLATFORMS, rest: [] };
  const known: Readonly<Record<string, readonly Platform[]>> = {
    all: ALL_PLATFORMS,
    any: ALL_PLATFORMS,
    posix: ['linux', 'darwin'],
    linux: ['linux'],
    ubuntu: ['linux'],
    centos: ['linux'],
    debian: ['linux'],
    rhel: ['linux'],
    darwin: ['darwin'],
    macos: ['darwin'],
    windows: ['windows'],
  };
  const found = new Set(names.flatMap((name) => (Object.hasOwn(known, name) ? (known[name] ?? []) : [])));
  return {
    platforms: ALL_PLATFORMS.filter((one) => found.has(one)),
    rest: names.filter((name) => !Object.hasOwn(known, name)),
  };
}

/** Checks with ids that are unique: a second one of the same id gets a number. */
export function uniqueIds(checks: readonly Check[]): Check[] {
  const used = new Set<string>();
  return checks.map((check) => {
    let id = check.id;
    for (let i = 2; used.has(id); i += 1) id = `${check.id.slice(0, PACK_LIMITS.idLength - 6)}-${i}`;
    used.add(id);
    return { ...check, id };
  });
}

/** The pack around imported checks. */
export function packOf(name: string, checks: readonly Check[]): Pack {
  return {
    ...{ kind: 'muster/pack', format: 1, id: idFrom(name), version: '0.1.0', title: lineFrom(name) || 'Imported' },
    checks: uniqueIds(checks),
  };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Texts and numbers as text; empty for what is neither. */
export function wordFrom(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
