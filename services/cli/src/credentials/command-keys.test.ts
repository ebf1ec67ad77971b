import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  CommandSigner,
  CommandVerifier,
  parsePublicJwks,
  parseRequestKeys,
  parseSigningJwks,
  publicJwks,
  type PrivateJwks,
} from '@muster/identity';
import { runCli } from '../run.js';
import { fakeTerminal } from '../testing/fake-terminal.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-keys-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Runs `muster keys …` and writes its output to a file, as a person does with `>`. */
async function keep(name: string, ...args: string[]): Promise<{ path: string; text: string; purpose: string }> {
  const terminal = fakeTerminal();
  expect([await runCli(['keys', ...args], terminal), terminal.out()]).toEqual([0, expect.stringMatching(/^\S+\n$/)]);
  const path = join(folder, name);
  await writeFile(path, terminal.out());
  return { path, text: terminal.out().trim(), purpose: terminal.err() };
}

async function fail(...args: string[]): Promise<string> {
  const terminal = fakeTerminal();
  expect([await runCli(['keys', ...args], terminal), terminal.out()]).toEqual([2, '']);
  return terminal.err();
}

const documentOf = (text: string): PrivateJwks => {
  const parsed = parseSigningJwks(text);
  if (!parsed.ok) throw new Error(parsed.fault);
  return parsed.jwks;
};
const kidOf = (text: string): string => documentOf(text).keys[0]?.kid ?? '';
const CLAIMS = {
  iss: 'muster',
  org: 'acme',
  jti: 'c1',
  action: 'dns.flush',
  params: {},
  targets: 1,
  root: Buffer.alloc(32).toString('base64url'),
  iat: 1,
  exp: 2,
  timeoutMs: 1_000,
  dryRun: false,
  operator: { id: 'o', name: 'Ann' },
} as const;

async function start() {
  const root = await keep('root.json', 'command-root');
  const keys = await keep('keys.json', 'command-signing');
  const list = await keep('list-1.jws', 'command-list', '--root', root.path, '--keys', keys.path);
  return { root, keys, list };
}

test('an org makes its root, a key and the first list, and agents that pin the root accept the key', async () => {
  const { root, keys, list } = await start();
  const roots = await keep('roots.json', 'public', root.path);
  const pinned = parsePublicJwks(roots.text);
  const verifier = new CommandVerifier({ roots: pinned.ok ? pinned.jwks.keys : [] });
  expect(verifier.acceptKeys(list.text)).toEqual({ ok: true, version: 1, isNew: true });
  expect(verifier.verify(new CommandSigner(documentOf(keys.text)).sign(CLAIMS)).ok).toBe(true);
  expect(list.purpose).toContain(`version 1\n  key      ${kidOf(keys.text)}\n`);
  expect(roots.text + list.text + list.purpose).not.toContain(documentOf(root.text).keys[0]?.d);
});

test('a rotation overlaps: both keys are valid until the old one is retired, which is final', async () => {
  const { root, keys, list } = await start();
  const next = await keep('next.json', 'command-signing');
  const verifier = new CommandVerifier({ roots: publicJwks(documentOf(root.text)).keys });
  const verdicts = (jws: string): unknown[] => {
    expect(verifier.acceptKeys(jws).ok).toBe(true);
    return [keys, next].map(({ text }) => {
      const result = verifier.verify(new CommandSigner(documentOf(text)).sign(CLAIMS));
      return result.ok ? 'ok' : result.reason;
    });
  };
  expect(verdicts(list.text)).toEqual(['ok', 'unknown_key']);
  const base = ['command-list', '--root', root.path] as const;
  const both = await keep('list-2.jws', ...base, '--previous', list.path, '--keys', next.path);
  expect(verdicts(both.text)).toEqual(['ok', 'ok']);
  const last = await keep('list-3.jws', ...base, '--previous', both.path, '--retire', kidOf(keys.text));
  expect(verdicts(last.text)).toEqual(['retired_key', 'ok']);
  expect(last.purpose).toContain(`version 3\n  key      ${kidOf(next.text)}\n  retired  ${kidOf(keys.text)}\n`);
  expect(await fail(...base, '--previous', last.path, '--keys', keys.path)).toContain('is retired and cannot join');
});

test('the machine with the root needs only the public part of the keys', async () => {
  const { root, keys, list } = await start();
  const open = await keep('public.json', 'public', keys.path);
  expect(open.text).not.toContain(documentOf(keys.text).keys[0]?.d);
  const again = await keep('again.jws', 'command-list', '--root', root.path, '--keys', open.path);
  const payload = (jws: string) => JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as object;
  expect(payload(again.text)).toMatchObject({ ...payload(list.text), iat: expect.any(Number) });
});

test('a key may expire', async () => {
  const { root, keys } = await start();
  const base = ['command-list', '--root', root.path, '--keys', keys.path, '--expires'];
  const list = await keep('list.jws', ...base, '2999-06-30');
  expect(list.purpose).toContain(`${kidOf(keys.text)} until 2999-06-30T00:00:00.000Z`);
  expect(await fail(...base, '2001-01-01')).toContain('--expires is in the past');
  expect(await fail(...base, 'tomorrow')).toContain('a date such as');
});

test('the key that API and command services share is one that they accept', async () => {
  const { text, purpose } = await keep('request-key', 'command-request');
  expect(parseRequestKeys(text)).toEqual({ ok: true, keys: [text] });
  expect(purpose).not.toContain(text);
});

test('a mistaken request is refused before anything is signed', async () => {
  const { root, keys, list } = await start();
  const other = await keep('other.json', 'command-root');
  const base = ['command-list', '--root', root.path] as const;
  const faults: [string, string[]][] = [
    ['no key of the list is called kidd', [...base, '--previous', list.path, '--retire', 'kidd']],
    ['would have no key', [...base, '--previous', list.path, '--retire', kidOf(keys.text)]],
    ['would have no key', [...base]],
    ['is the root', [...base, '--keys', root.path]],
    ['another root has signed', ['command-list', '--root', other.path, '--previous', list.path]],
    ['(malformed)', [...base, '--previous', keys.path]],
    ['cannot be read: ENOENT', [...base, '--keys', join(folder, 'nowhere')]],
    ['must be JSON', [...base, '--keys', list.path]],
    ['private Ed25519', ['command-list', '--root', (await keep('p', 'public', root.path)).path, '--keys', keys.path]],
    ['is given twice', ['public', root.path, root.path]],
  ];
  for (const [message, args] of faults) {
    const told = await fail(...args);
    expect(told).toContain(message);
    expect(told).not.toContain(documentOf(root.text).keys[0]?.d);
  }
});
