import { describe, expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness({ MUSTER_TOKEN: 't' });

describe('the list of tables', () => {
  test.each(['PRAGMA table_info(os_version)', "pragma TABLE_INFO('os_version');", ' PRAGMA table_info("os_version") '])(
    '%s is answered from the list of tables, as SQLite does',
    async (sql) => {
      const columns = [
        { name: 'name', type: 'TEXT', description: '' },
        { name: 'secret', type: 'TEXT', description: '', hidden: true },
        { name: 'major', type: 'INTEGER', description: '' },
      ];
      api.json('GET /v1/tables/os_version', { name: 'os_version', description: '', platforms: ['linux'], columns });
      const csv = 'cid,name,type,notnull,dflt_value,pk\r\n0,name,TEXT,0,,0\r\n1,major,INTEGER,0,,0\r\n';
      expect(await muster(['query', sql, '--output', 'csv'])).toMatchObject({ code: 0, out: csv });
      const { out } = await muster(['query', sql, '--output', 'json']);
      const row = { type: 'TEXT', notnull: 0, dflt_value: null, pk: 0 };
      expect(JSON.parse(out)).toEqual([
        { ...row, cid: 0, name: 'name' },
        { ...row, cid: 1, name: 'major', type: 'INTEGER' },
      ]);
      expect((await muster(['query', sql])).out).toMatch(/^CID +NAME +TYPE +NOTNULL +DFLT_VALUE +PK\n *0 +name +TEXT/);
      expect(api.requests.every(({ method }) => method === 'GET')).toBe(true);
    },
  );

  test('tables say what they cost, and one of a server that does not know it what it needs', async () => {
    const hash = { name: 'hash', description: 'Hashes', platforms: ['linux'], columns: [], requiresOneOf: ['path'] };
    api.json('GET /v1/tables', { items: [{ ...hash, cost: 'contents', costNote: 'Reads contents; needs path.' }] });
    expect((await muster(['tables'])).out).toMatch(/^TABLE +PLATFORMS +COST .*\nhash +linux +contents /);
    api.json('GET /v1/tables/hash', { ...hash, cost: 'contents', costNote: 'Reads contents; needs path.' });
    expect((await muster(['tables', 'hash'])).out).toContain('hash (linux): Hashes\nReads contents; needs path.\n');
    api.json('GET /v1/tables/hash', hash);
    expect((await muster(['tables', 'hash'])).out).toContain('hash (linux): Hashes\nNeeds a condition on path.\n');
  });
});
