import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  chmodSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Check, readPack } from '@muster/packs';
import { createSqlEngine, type SqlEngine, TABLES } from '@muster/tables';
import { platformTables } from '../tables/platform-tables.js';
import { BAD_TREES, type FixtureFile, GOOD_TREE } from './baseline-fixture.js';
import { resultOf } from './check-pack.js';

function shipped(name: string): readonly Check[] {
  const text = readFileSync(new URL(`../../../../shared/packs/shipped/${name}.yaml`, import.meta.url), 'utf8');
  const read = readPack(text);
  if (!read.ok) throw new Error(JSON.stringify(read.faults));
  return read.pack.checks;
}

const checks = shipped('linux-baseline');
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

/** Owners of files need root. */
asRoot('linux-baseline, on a tree of files', () => {
  let root: string;
  let engine: SqlEngine;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'muster-baseline-'));
    for (const [path, file] of Object.entries(GOOD_TREE)) put(path, file);
    const { provider } = platformTables('linux', { root });
    engine = await createSqlEngine({ tables: TABLES, provider, platform: 'linux' });
  });
  afterAll(() => {
    engine.close();
    rmSync(root, { recursive: true });
  });

  /** A text that begins with `@` is the target of a link. */
  function put(path: string, file: FixtureFile | undefined): void {
    const full = join(root, path);
    if (file === undefined) return rmSync(full, { force: true });
    const [text, mode = 0o644, uid = 0] = file;
    mkdirSync(dirname(full), { recursive: true });
    if (path.endsWith('/')) mkdirSync(full, { recursive: true });
    else if (text.startsWith('@')) return symlinkSync(text.slice(1), full);
    else writeFileSync(full, text);
    chownSync(full, uid, 0);
    chmodSync(full, mode);
  }

  function outcome(check: Check): string {
    const { outcome: found, reason } = resultOf(engine, check);
    return reason === undefined ? found : `${found}: ${reason}`;
  }

  test.each(checks.map((check) => [check.id, check] as const))('%s passes where all is well', (_id, check) => {
    expect(outcome(check)).toBe('pass');
  });

  const changed = checks.filter(({ id }) => id in BAD_TREES);
  test.each(changed.map((check) => [check.id, check] as const))('%s fails where it should', (id, check) => {
    const changes = Object.entries(BAD_TREES[id]!);
    for (const [path, file] of changes) put(path, file);
    try {
      expect(outcome(check)).toBe('fail');
    } finally {
      for (const [path] of changes) put(path, GOOD_TREE[path]);
    }
  });

  test('updates-recent-lists fails when the lists are old', () => {
    const lists = join(root, 'var/lib/apt/lists');
    const monthAgo = Date.now() / 1_000 - 30 * 86_400;
    utimesSync(lists, monthAgo, monthAgo);
    expect(outcome(checks.find(({ id }) => id === 'updates-recent-lists')!)).toBe('fail');
    utimesSync(lists, Date.now() / 1_000, Date.now() / 1_000);
  });

  test.each(['sys/kernel/', 'sys/net/ipv4/'])(
    'what a kernel does not have is a fail only where it protects: proc/%s',
    (folder) => {
      const PROTECTIONS = ['kernel-yama-ptrace-scope', 'kernel-net-ipv4-tcp-syncookies'];
      const settings = Object.keys(GOOD_TREE).filter((path) => path.startsWith(`proc/${folder}`));
      const ofKernel = checks.filter(({ id }) =>
        Object.keys(BAD_TREES[id] ?? {}).some((path) => settings.includes(path)),
      );
      expect(ofKernel.length).toBeGreaterThan(5);
      for (const check of ofKernel) {
        const gone = (paths: readonly string[]): string => {
          for (const path of paths) put(path, undefined);
          return `${check.id} ${resultOf(engine, check).outcome}`;
        };
        const expected = PROTECTIONS.includes(check.id) ? 'fail' : 'not_applicable';
        expect(gone(Object.keys(BAD_TREES[check.id]!))).toBe(`${check.id} ${expected}`);
        expect(gone(settings)).toBe(`${check.id} not_applicable`);
        for (const path of settings) put(path, GOOD_TREE[path]);
      }
    },
  );

  test('every check has something that makes it fail', () => {
    const without = checks.map(({ id }) => id).filter((id) => !(id in BAD_TREES) && id !== 'updates-recent-lists');
    expect(without).toEqual([]);
  });
});

test('linux-baseline has sixty checks, and three of each topic', () => {
  expect(checks.length).toBeGreaterThanOrEqual(60);
  const topics = [
    'ssh',
    'accounts',
    'sudo',
    'files',
    'suid',
    'kernel',
    'mounts',
    'listening',
    'firewall',
    'updates',
    'time',
    'logging',
  ];
  for (const topic of topics)
    expect(checks.filter(({ tags }) => tags?.includes(topic)).length).toBeGreaterThanOrEqual(3);
});
