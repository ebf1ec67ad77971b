import { afterAll, expect, test } from '@jest/globals';
import { silentLogger, systemClock } from '@muster/runtime';
import { SqlCompiler } from './sql-compiler.js';

const compiler = new SqlCompiler({ clock: systemClock, logger: silentLogger });
afterAll(() => compiler.stop());

const codeOf = (compiled: Promise<unknown>): Promise<string> =>
  compiled.then(
    () => 'ok',
    (error: unknown) => (error as { code: string }).code,
  );

test('one operator may have so many statements checked at once; those of others are checked', async () => {
  const mine = Array.from({ length: 25 }, () => codeOf(compiler.compile('SELECT 1', { owner: 'acme/ann' })));
  const others = [
    codeOf(compiler.compile('SELECT 1', { owner: 'acme/bob' })),
    codeOf(compiler.compile('SELEC 1', { owner: 'other/ann' })),
  ];
  const codes = await Promise.all(mine);
  expect([codes.filter((code) => code === 'ok').length, new Set(codes.slice(20))]).toEqual([
    20,
    new Set(['too_many_queries']),
  ]);
  expect(await Promise.all(others)).toEqual(['ok', 'sql_error']);
  expect(await codeOf(compiler.compile('SELECT 1', { owner: 'acme/ann' }))).toBe('ok');
});

test('a statement that nests too deep is told so', async () => {
  const sql = `SELECT ${'('.repeat(10_000)}1${')'.repeat(10_000)}`;
  await expect(compiler.compile(sql)).rejects.toMatchObject({
    code: 'sql_error',
    message: 'the statement nests too deep',
  });
});

test('what waits when it is stopped fails, and nothing hangs', async () => {
  const stopped = new SqlCompiler({ clock: systemClock, logger: silentLogger });
  const waiting = Array.from({ length: 5 }, () => codeOf(stopped.compile('SELECT 1')));
  await stopped.stop();
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['internal']));
  await expect(async () => stopped.compile('SELECT 1')).rejects.toMatchObject({ code: 'draining' });
});
