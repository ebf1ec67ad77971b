import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AppError, type OrgId } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime';
import { SqlCompiler } from '../sql/sql-compiler.js';
import { planQuery } from './plan-query.js';

const compiler = new SqlCompiler({ clock: systemClock, logger: silentLogger });
beforeAll(() => compiler.start());
afterAll(() => compiler.stop());

async function plan(sql: string, terms: { sensitivities?: readonly string[]; reduce?: string } = {}): Promise<unknown> {
  const draft = { org: 'acme' as OrgId, operator: 'op', operatorName: 'Op', selector: '', bound: '' };
  try {
    return (await planQuery(compiler, { ...draft, sql, mode: 'raw', timeoutMs: 30_000, ...terms })).tables;
  } catch (error) {
    if (!AppError.is(error)) throw error;
    return error.code === 'table_forbidden' ? { forbidden: error.details['tables'] } : error.code;
  }
}

const refused = { forbidden: ['process_envs'] };

describe('a table that may hold secrets', () => {
  test.each([
    'SELECT * FROM process_envs',
    'SELECT count(*) FROM PROCESS_ENVS',
    'SELECT key FROM "process_envs" AS processes',
    'SELECT key FROM [process_envs]',
    'SELECT key FROM `Process_Envs`',
    'SELECT key FROM main.process_envs',
    'SELECT p.pid FROM processes p JOIN process_envs e USING (pid)',
    'SELECT p.pid FROM processes p, process_envs',
    'SELECT p.pid FROM processes p LEFT JOIN process_envs e ON e.pid = p.pid',
    'SELECT pid, (SELECT value FROM process_envs LIMIT 1) AS x FROM processes',
    'SELECT pid FROM processes WHERE pid IN (SELECT pid FROM process_envs)',
    "SELECT pid FROM processes WHERE EXISTS (SELECT 1 FROM process_envs WHERE value LIKE '%secret%')",
    'WITH processes AS (SELECT * FROM process_envs) SELECT * FROM processes',
    'WITH RECURSIVE r(v) AS (SELECT value FROM process_envs UNION SELECT v FROM r) SELECT v FROM r',
    'SELECT pid FROM processes UNION ALL SELECT pid FROM process_envs',
    'SELECT pid FROM processes EXCEPT SELECT pid FROM process_envs',
    'SELECT pid FROM processes ORDER BY (SELECT value FROM process_envs)',
    'SELECT pid FROM processes GROUP BY pid HAVING count(*) > (SELECT count(*) FROM process_envs)',
    'SELECT json_group_array(value) FROM (SELECT value FROM process_envs)',
    'SELECT sum(pid) FILTER (WHERE (SELECT value FROM process_envs) > 0) FROM processes',
    'SELECT * FROM (VALUES (1)) WHERE (SELECT value FROM process_envs) IS NULL',
    'SELECT v.value FROM json_each((SELECT json_group_array(value) FROM process_envs)) AS v',
    'SELECT 1 FROM process_envs WHERE 0',
    'SELECT/**/value/**/FROM/**/process_envs--',
  ])('is refused to who may not ask it: %s', async (sql) => {
    expect(await plan(sql)).toEqual(refused);
    expect(await plan(sql, { sensitivities: [] })).toEqual(refused);
    expect(await plan(sql, { sensitivities: ['personal', 'SECRET', ''] })).toEqual(refused);
    expect(await plan(sql, { sensitivities: ['secret'] })).toContain('process_envs');
  });

  test.each([
    "SELECT pid FROM processes WHERE cmdline LIKE '%process_envs%'",
    'SELECT pid AS process_envs FROM processes -- process_envs',
    'WITH process_envs AS (SELECT pid FROM processes) SELECT * FROM process_envs',
    'SELECT process_envs.pid FROM processes AS process_envs',
  ])('is not what only its name is in: %s', async (sql) => {
    expect(await plan(sql)).toEqual(['processes']);
  });

  test('is none of those that a reduce statement can read', async () => {
    expect(await plan('SELECT pid FROM processes', { reduce: 'SELECT * FROM process_envs' })).toBe('sql_error');
  });

  test('needs a list of texts to be asked', async () => {
    for (const sensitivities of ['secret', { includes: 'secret' }, [['secret']], [1]])
      expect(await plan('SELECT * FROM process_envs', { sensitivities: sensitivities as never })).toBe('bad_request');
  });
});
