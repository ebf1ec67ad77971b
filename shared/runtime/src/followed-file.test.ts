import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { FakeClock } from './testing/fake-clock.js';
import { FollowedFile, parseDocument } from './followed-file.js';
import { silentLogger } from './logger.js';

const schema = z.strictObject({ size: z.int().min(1), name: z.string() });

test('a document says everything that is wrong with it, and where', () => {
  const parsed = parseDocument('{"size":0,"more":true}', schema);
  const faults = parsed.ok ? '' : parsed.faults.join('\n');
  for (const part of ['size: ', 'name: ', '"more"']) expect(faults).toContain(part);
  expect(parseDocument('{', schema)).toMatchObject({ ok: false, faults: [expect.stringMatching(/^not JSON/)] });
  expect(parseDocument('{"size":1,"name":"n"}', schema)).toEqual({ ok: true, value: { size: 1, name: 'n' } });
});

describe('a followed file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-followed-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  function follow(path: string | undefined) {
    const clock = new FakeClock();
    const seen = { complaints: 0, changes: 0 };
    const logger = { ...silentLogger, error: () => (seen.complaints += 1) };
    const file = new FollowedFile({
      ...{ what: 'test file', path, clock, logger },
      fallback: { size: 9, name: 'fallback' },
      parse: (text) => parseDocument(text, schema),
      onChange: () => (seen.changes += 1),
    });
    const until = async (isSo: () => boolean): Promise<void> => {
      while (!isSo()) {
        await clock.advanceAsync(5_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    return { clock, seen, file, until };
  }

  test('that is wrong keeps the service from starting; one that becomes wrong changes nothing', async () => {
    const path = join(folder, 'file.json');
    const { clock, seen, file, until } = follow(path);
    let modifiedS = 1;
    const write = async (text: string): Promise<void> => {
      await writeFile(path, text);
      await utimes(path, modifiedS, (modifiedS += 1));
    };
    await write('{"size":0,"name":"n"}');
    await expect(file.start()).rejects.toThrow(/the test file .* is wrong:\n {2}size: /);
    await write('{"size":5,"name":"n"}');
    await file.start();
    expect([file.value.size, seen.changes]).toEqual([5, 0]);
    await write('{"size":6,"name":"n"}');
    await until(() => seen.changes === 1);
    expect(file.value.size).toBe(6);
    await write('nonsense');
    await until(() => seen.complaints > 0);
    expect([file.value.size, seen.changes]).toEqual([6, 1]);
    await rm(path);
    await until(() => seen.complaints > 1);
    expect(file.value.size).toBe(6);
    file.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  test('that is not there is named', async () => {
    const path = join(folder, 'nowhere.json');
    await expect(follow(path).file.start()).rejects.toThrow(`the test file ${path} cannot be read: ENOENT`);
  });

  test('that nobody named is the fallback, and is not looked for', async () => {
    const { clock, file } = follow(undefined);
    await file.start();
    expect([file.value.name, clock.pendingTimers]).toEqual(['fallback', 0]);
  });
});
