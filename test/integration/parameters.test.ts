import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import type { SqlParameterJson } from '@muster/api-contract';
import { eventually } from '@muster/runtime/testing';
import { startHarness, type Harness } from '../kit/harness.js';

const AGENTS = 2;
const HOSTILE = {
  quotes: `'; DROP TABLE x; -- " \` ' OR 1=1`,
  nul: 'a\0b',
  controls: '\u0001\u001b[31m\r\n\t\u007f\u202e',
  characters: '\u{1f600} ä \uef80 \uffff',
  names: ':other $x @y ?1',
  huge: 'x'.repeat(64 * 1024),
};

/** A real agent on Live and one on Poll. */
describe('parameters of a question', () => {
  let harness: Harness;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'muster-parameters-'));
    harness = await startHarness({ gateways: 0 });
    const policy = join(harness.stack.folder, 'modes.json');
    const rules = ['poll', 'live'].map((mode) => ({ selector: `channel=${mode}`, mode, interval: '1s' }));
    await writeFile(policy, JSON.stringify({ rules }));
    const { url } = await harness.stack.addGateway({ MUSTER_GATEWAY_MODE_POLICY_FILE: policy });
    for (const mode of ['live', 'poll'])
      await harness.stack.addAgent({ gatewayUrl: url, env: { MUSTER_LABELS: `channel=${mode}` } });
    const polling = async () => (await harness.api.all('GET /v1/agents', { query: { selector: 'mode=poll' } })).length;
    await eventually(async () => (await polling()) === 1, 'polling');
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await harness.close();
  });

  async function ask(sql: string, parameters: Record<string, SqlParameterJson>, reduce?: string) {
    const given = { sql, parameters, timeout: '30s', mode: 'group' as const };
    const ended = await runQuery(harness.api, reduce === undefined ? given : { ...given, reduce });
    const failures = await harness.api.all('GET /v1/queries/{id}/endpoints', { params: { id: ended.id } });
    expect(failures).toEqual([]);
    const { items } = await harness.api.call('GET /v1/queries/{id}/rows', { params: { id: ended.id } });
    return { ended, rows: items.map((item) => ('endpoints' in item ? [item.endpoints, ...item.values] : [])) };
  }

  it.each(Object.entries(HOSTILE))(
    'come back from every endpoint as they were given: %s',
    async (_what, value) => {
      const { rows, ended } = await ask('SELECT :v AS v, length(CAST(:v AS BLOB)) AS n', { v: value });
      expect(rows).toEqual([[AGENTS, value, Buffer.byteLength(value)]]);
      expect(ended.parameters).toEqual({ v: value });
    },
    60_000,
  );

  it('keep their types', async () => {
    const parameters = {
      ...{ i: 22, big: { $integer: '9223372036854775807' }, r: { $number: 22 }, f: 0.5, b: { $blob: 'AP8=' } },
      ...{ t: true, n: null, list: [22, 'x', null] },
    };
    const names = Object.keys(parameters);
    const { rows } = await ask(`SELECT ${names.map((name) => `typeof(:${name}) AS ${name}`).join()}`, parameters);
    const types = ['integer', 'integer', 'real', 'real', 'blob', 'integer', 'null', 'text'];
    expect(rows).toEqual([[AGENTS, ...types]]);
    const { rows: values } = await ask('SELECT value FROM json_each(:list)', { list: [22, "it's", null] });
    expect(new Set(values.map(([, value]) => value))).toEqual(new Set([22, "it's", null]));
  });

  it('say where a table is read, as a literal does', async () => {
    const [there, absent] = [join(folder, "it's here"), join(folder, 'absent')];
    writeFileSync(there, 'x');
    const sql = 'SELECT path, size FROM file WHERE path = :path';
    expect((await ask(sql, { path: there })).rows).toEqual([[AGENTS, there, 1]]);
    expect((await ask(sql, { path: absent })).rows).toEqual([]);
    const like = 'SELECT path FROM file WHERE path LIKE :pattern';
    expect((await ask(like, { pattern: `${folder}/%` })).rows).toEqual([[AGENTS, there]]);
  });

  it('are bound in the reduce statement too', async () => {
    const reduce = 'SELECT :label AS label, sum(endpoints) AS n FROM rows WHERE n > :least';
    const { ended } = await ask('SELECT 5 AS n', { label: "'", least: 4 }, reduce);
    const reduced = await harness.api.call('POST /v1/queries/{id}/reduce', {
      params: { id: ended.id },
      body: { sql: 'SELECT :x AS x FROM rows', parameters: { x: '"' } },
    });
    expect(reduced.rows).toEqual([['"']]);
  });

  it.each([
    ['half of a character', 'SELECT :v', { v: '\ud800' }, 400],
    ['half of a character in a list', 'SELECT :v', { v: ['\ud800'] }, 400],
    ['more than they may have', 'SELECT :v', { v: 'x'.repeat(64 * 1024 + 1) }, 400],
    ['an integer that JSON has rounded', 'SELECT :v', { v: 2 ** 53 }, 400],
    ['an integer beyond 64 bits', 'SELECT :v', { v: { $integer: '9223372036854775808' } }, 400],
    ['an object', 'SELECT :v', { v: { x: 1 } }, 400],
    ['a name that is none', 'SELECT 1', { '1; DROP': 1 }, 400],
    ['one that nothing uses', 'SELECT 1', { port: 1 }, 400],
    ['none where one is needed', 'SELECT :v', {}, 422],
    ['a name in another case', 'SELECT :V', { v: 1 }, 422],
    ['another form', 'SELECT ?', {}, 422],
  ])('are refused before anybody is asked: %s', async (_what, sql, parameters, status) => {
    const response = await harness.api.fetch('/v1/queries', { method: 'POST', body: { sql, parameters } });
    expect([response.status, await response.json()]).toEqual([
      status,
      expect.objectContaining({ detail: expect.any(String) }),
    ]);
  });
});
