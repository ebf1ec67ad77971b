import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createMetrics, defineConfig, field, loadConfig, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { FollowedSecrets } from './followed-secrets.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-secrets-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Parsed = { readonly ok: true; readonly keys: readonly string[] } | { readonly ok: false; readonly fault: string };
/** Keys between commas, of at least four characters. */
function parseKeys(text: string): Parsed {
  const keys = text.split(',');
  return keys.every((key) => key.length >= 4)
    ? { ok: true, keys }
    : { ok: false, fault: 'has a key that is too short' };
}

const definition = defineConfig({
  prefix: 'X_',
  fields: {
    keys: field.parsedSecret('X_KEYS', parseKeys),
    other: field.secret('X_OTHER', { optional: true }),
  },
});

function follow(files: Readonly<Record<string, string>>) {
  const env = Object.fromEntries(Object.entries(files).map(([name, path]) => [`${name}_FILE`, path]));
  const loaded = loadConfig(definition, env);
  if (!loaded.ok) throw loaded.error;
  const clock = new FakeClock();
  const metrics = createMetrics('demo');
  const lines: { readonly message: string; readonly fields: unknown }[] = [];
  const log = (message: string, fields?: unknown): void => void lines.push({ message, fields });
  const secrets = new FollowedSecrets({ clock, metrics, logger: { ...silentLogger, info: log, error: log } });
  return {
    ...{ clock, secrets, lines, config: loaded.config },
    /** One check. `meanwhile` happens when it has found a change, before it reads once more. */
    check: async (meanwhile?: () => Promise<void>) => {
      const timers = clock.pendingTimers;
      let isOver = false;
      const checking = secrets.check().finally(() => {
        isOver = true;
      });
      while (!isOver) {
        if (clock.pendingTimers > timers) {
          await meanwhile?.();
          clock.advance(500);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      await checking;
    },
    sample: async (name: string) => {
      const text = await metrics.registry.metrics();
      const line = text.split('\n').find((one) => one.startsWith(`muster_demo_secret_${name} `));
      return line === undefined ? undefined : Number(line.split(' ').at(-1));
    },
  };
}

const done = (setting: string): string => `reloads_total{setting="${setting}",result="done"}`;
const failed = (setting: string): string => `reloads_total{setting="${setting}",result="failed"}`;

test('a changed file is handed to its user; one that is wrong, empty or gone changes nothing, is counted, and is told once', async () => {
  const path = join(folder, 'keys');
  await writeFile(path, 'old-1\n');
  const { secrets, config, check, sample, lines } = follow({ X_KEYS: path });
  const taken: unknown[] = [];
  secrets.follow({ keys: config.keys }, ({ keys }) => {
    taken.push(keys.keys);
    return { first: keys.keys[0] };
  });
  const loadedAt = (await sample('loaded_timestamp_seconds{setting="X_KEYS"}')) ?? 0;
  await check();
  expect([taken, await sample(done('X_KEYS')), await sample(failed('X_KEYS'))]).toEqual([[], 0, 0]);
  await writeFile(path, 'new-1,old-1\n');
  await check();
  expect([taken, await sample(done('X_KEYS'))]).toEqual([[['new-1', 'old-1']], 1]);
  expect(await sample('loaded_timestamp_seconds{setting="X_KEYS"}')).toBeGreaterThan(loadedAt);
  for (const broken of ['new', '\n']) {
    await writeFile(path, broken);
    await check();
    await check();
  }
  await rm(path);
  await check();
  expect([taken.length, await sample(done('X_KEYS')), await sample(failed('X_KEYS'))]).toEqual([1, 1, 5]);
  const faults = lines.filter(({ message }) => message.startsWith('file of a secret cannot be reread'));
  const named = `X_KEYS_FILE ${path}`;
  expect(faults.map(({ fields }) => fields)).toEqual([
    { fault: `${named} has a key that is too short` },
    { fault: `${named} is empty` },
    { fault: `${named} cannot be read: ENOENT` },
  ]);
  expect(JSON.stringify(lines)).not.toContain('old-1');
  await writeFile(path, 'next-2');
  await check();
  expect([taken.at(-1), await sample(failed('X_KEYS'))]).toEqual([['next-2'], 5]);
});

test('a symbolic link that is changed, as a mounted Secret of Kubernetes is', async () => {
  for (const [version, text] of [
    ['..1', 'old-1'],
    ['..2', 'new-1'],
  ] as const) {
    await mkdir(join(folder, version));
    await writeFile(join(folder, version, 'keys'), text);
  }
  await symlink('..1', join(folder, '..data'));
  await symlink('..data/keys', join(folder, 'keys'));
  const { secrets, config, check, clock } = follow({ X_KEYS: join(folder, 'keys') });
  const keys = secrets.latest(config.keys);
  await check();
  expect(keys().keys).toEqual(['old-1']);
  await symlink('..2', join(folder, '..data_tmp'));
  await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  await rm(join(folder, '..1'), { recursive: true });
  secrets.start();
  while (keys().keys[0] !== 'new-1') {
    clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  secrets.stop();
  expect(clock.pendingTimers).toBe(0);
});

test('a file that is being written is valid before it is whole: it is taken when it stays the same', async () => {
  const path = join(folder, 'keys');
  await writeFile(path, 'old-1,old-2');
  const { secrets, config, check, sample } = follow({ X_KEYS: path });
  const keys = secrets.latest(config.keys);
  await writeFile(path, 'new-1');
  await check(() => writeFile(path, 'new-1,new-2'));
  expect([keys().keys, await sample(done('X_KEYS')), await sample(failed('X_KEYS'))]).toEqual([
    ['old-1', 'old-2'],
    0,
    0,
  ]);
  await check();
  expect(keys().keys).toEqual(['new-1', 'new-2']);
});

test('secrets that must fit each other are taken together; what their user refuses leaves both', async () => {
  const [keysPath, otherPath] = [join(folder, 'keys'), join(folder, 'other')];
  await writeFile(keysPath, 'old-1');
  await writeFile(otherPath, 'list of old-1');
  const { secrets, config, check, sample } = follow({ X_KEYS: keysPath, X_OTHER: otherPath });
  let inForce = 'old-1';
  secrets.follow({ keys: config.keys, other: config.other }, ({ keys, other }) => {
    if (other !== `list of ${keys.keys.join()}`) throw new TypeError('the list does not have the key');
    inForce = keys.keys.join();
    return undefined;
  });
  await writeFile(keysPath, 'new-1');
  await check();
  expect([inForce, await sample(failed('X_KEYS')), await sample(failed('X_OTHER'))]).toEqual(['old-1', 1, 1]);
  await writeFile(otherPath, 'list of new-1');
  await check();
  expect([inForce, await sample(done('X_KEYS')), await sample(done('X_OTHER'))]).toEqual(['new-1', 1, 1]);
});

test('what is no file, or a pipe, is not followed', async () => {
  const loaded = loadConfig(definition, { X_KEYS: 'old-1' });
  if (!loaded.ok) throw loaded.error;
  const { secrets, sample } = follow({ X_KEYS: await written('keys', 'old-1') });
  expect(secrets.latest(loaded.config.keys)().keys).toEqual(['old-1']);
  const pipe = join(folder, 'pipe');
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
  const { secrets: others, config, check, sample: sampleOf } = follow({ X_KEYS: await written('keys', 'old-1') });
  const { file } = config.keys;
  if (file === undefined) throw new Error('a secret of a file knows it');
  others.latest(Object.assign(Object.create(config.keys), { file: { ...file, path: pipe }, reveal: () => 'once' }));
  await check();
  expect([await sample(failed('X_KEYS')), await sampleOf(failed('X_KEYS'))]).toEqual([undefined, undefined]);
});

async function written(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}
