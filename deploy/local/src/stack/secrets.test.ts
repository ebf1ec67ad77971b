import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { CommandVerifier, parsePublicJwks, parseSigningJwks } from '@muster/identity';
import { ensureSecrets } from './secrets.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-secrets-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('the second start uses the secrets of the first, which only their owner can read', async () => {
  const first = await ensureSecrets(folder);
  const read = async () => Promise.all(Object.values({ ...first.commandKeys }).map((path) => readFile(path, 'utf8')));
  const files = await read();
  expect(await ensureSecrets(folder)).toEqual(first);
  expect(await read()).toEqual(files);
  for (const path of [
    first.tokenPath,
    first.agentTokenKeysPath,
    first.commandKeys.keysPath,
    first.commandKeys.rootPath,
  ]) {
    expect((await stat(path)).mode & 0o077).toBe(0);
  }
});

test('an agent that pins the public roots accepts the key list, and the roots file has no private part', async () => {
  const { commandKeys } = await ensureSecrets(folder);
  const roots = parsePublicJwks((await readFile(commandKeys.rootsPath, 'utf8')).trim());
  const verifier = new CommandVerifier({ roots: roots.ok ? roots.jwks.keys : [] });
  expect(verifier.acceptKeys((await readFile(commandKeys.keyListPath, 'utf8')).trim())).toMatchObject({
    ok: true,
    version: 1,
  });
});

test('a signing key that is missing in the key list is reported before anything starts', async () => {
  const { commandKeys } = await ensureSecrets(folder);
  await rm(commandKeys.keysPath);
  await expect(ensureSecrets(folder)).rejects.toThrow(/command-key-list.*--fresh/);
  expect(parseSigningJwks(await readFile(commandKeys.keysPath, 'utf8')).ok).toBe(true);
});
