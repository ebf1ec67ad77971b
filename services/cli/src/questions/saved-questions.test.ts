import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { QuestionBody, QuestionJson } from '@muster/api-contract';
import { cliHarness } from '../testing/cli-harness.js';
import { endedQuery, queryJson, type Request } from '../testing/fake-api.js';
import { contentsOf, fileText, questionOf } from './question-contents.js';
import { parseQuestion } from './question-file.js';

const { api, muster } = cliHarness();

const PERSON = { id: 'op1', name: 'ann' };

function questionJson(more: Partial<QuestionJson> = {}): QuestionJson {
  return {
    ...{ name: 'ports', version: 3, sql: 'SELECT pid FROM listening_ports WHERE port = :port', mode: 'raw', tags: [] },
    parameters: [{ name: 'port', type: 'integer', default: 22, description: 'the port' }],
    ...{ owner: PERSON, createdAt: '2026-01-01T00:00:00.000Z' },
    ...{ changedBy: PERSON, changedAt: '2026-01-02T00:00:00.000Z' },
    ...more,
  };
}

/** Answers as the API does; a version that is not the newest is a conflict. */
function library(...questions: QuestionJson[]): Map<string, QuestionJson> {
  const kept = new Map(questions.map((one) => [one.name, one]));
  api.on('GET /v1/questions', (_, response) => response.end(JSON.stringify({ items: [...kept.values()] })));
  for (const name of [...kept.keys(), 'disks', 'new']) {
    const path = `/v1/questions/${name}`;
    api.on(`GET ${path}`, (_, response) => {
      response.writeHead(kept.has(name) ? 200 : 404, { 'content-type': kept.has(name) ? JSON_TYPE : PROBLEM });
      response.end(JSON.stringify(kept.get(name) ?? { code: 'not_found', detail: 'none' }));
    });
    api.on(`PUT ${path}`, ({ body }: Request, response) => {
      const { version, ...contents } = body as QuestionBody;
      const current = kept.get(name)?.version ?? 0;
      const isNewest = version === current;
      const made = questionJson({ ...(contents as Partial<QuestionJson>), name, version: current + 1 });
      if (isNewest) kept.set(name, made);
      response.writeHead(isNewest ? 200 : 409, { 'content-type': isNewest ? JSON_TYPE : PROBLEM });
      response.end(JSON.stringify(isNewest ? made : { code: 'conflict', detail: `${name} is at version ${current}` }));
    });
  }
  return kept;
}

const JSON_TYPE = 'application/json';
const PROBLEM = 'application/problem+json';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-questions-'));
});
const file = (name: string, text: string): string => {
  const path = join(folder, `${name}.sql`);
  writeFileSync(path, text);
  return path;
};

describe("a question of the org's library", () => {
  test('is asked by its name, with its defaults, and wins over the one that comes with the CLI', async () => {
    library(questionJson({ name: 'port-listeners', target: 'env=prod' }));
    api.json('GET /v1/questions/port-listeners', questionJson({ name: 'port-listeners', target: 'env=prod' }));
    api.query(queryJson(), [{ event: 'ended', seq: 1, query: endedQuery() }]);
    const { code, err } = await muster(['query', '@port-listeners']);
    expect(code).toBe(0);
    expect(err).toContain(
      "@port-listeners is the org's question (version 3, by ann), not the one that comes with the CLI",
    );
    expect(api.requests.find(({ method }) => method === 'POST')?.body).toMatchObject({
      sql: 'SELECT pid FROM listening_ports WHERE port = :port',
      selector: 'env=prod',
      parameters: { port: 22 },
    });
    await muster(['questions', 'run', 'port-listeners', '-p', 'port=4444', '-t', 'os=linux', '--quiet']);
    expect(api.requests.findLast(({ method }) => method === 'POST')?.body).toMatchObject({
      selector: 'os=linux',
      parameters: { port: 4444 },
    });
  });

  test('is not replaced by another one when the server cannot say', async () => {
    api.json('GET /v1/questions/port-listeners', { code: 'broker_unavailable', detail: 'gone' }, 503);
    expect(await muster(['query', '@port-listeners'])).toMatchObject({ code: 1 });
    expect(api.requests.some(({ method }) => method === 'POST')).toBe(false);
  });

  test('is listed beside the others, which stay without a server or with an older one', async () => {
    library(questionJson());
    const all = JSON.parse((await muster(['questions', '-o', 'json'])).out) as { name: string; source: string }[];
    expect(all.find(({ name }) => name === 'ports')).toMatchObject({ source: 'org', version: 3, owner: PERSON });
    expect(all.find(({ name }) => name === 'port-listeners')).toMatchObject({ source: 'shipped' });
    api.json('GET /v1/questions', { code: 'not_found', detail: 'no such path' }, 404);
    expect((await muster(['questions'])).out).toContain('port-listeners');
    const away = await muster(['questions'], { env: { MUSTER_API_URL: 'http://127.0.0.1:1' } });
    expect([away.code, away.out.includes('port-listeners')]).toEqual([0, true]);
    expect(away.err).toContain("without the org's questions");
  });

  test('is completed by name, and so are its parameters', async () => {
    library(questionJson());
    const complete = async (...words: string[]) =>
      (await muster(['__complete', '--', ...words])).out.split('\n').filter((word) => word !== '');
    expect(await complete('query', '@port')).toEqual(['@port-listeners', '@ports']);
    expect(await complete('query', '@ports', '--param', '')).toEqual(['port=']);
    expect(await complete('query', '@port-listeners', '-p', 'p')).toEqual(['port=']);
    expect(await complete('query', 'SELECT 1 WHERE 1 = :a AND 2 = :b', '--param', '')).toEqual(['a=', 'b=']);
    expect(await complete('questions', 'run', 'ports', '--param', 'po')).toEqual(['port=']);
    expect(await complete('questions', 'delete', '')).toEqual(['ports']);
  });
});

describe('save', () => {
  test('makes a question of SQL and options', async () => {
    const kept = library();
    const words = [
      'questions',
      'save',
      'new',
      'SELECT 1 WHERE :a = 1',
      '--description',
      'What: a test',
      '--tags',
      'a,b',
    ];
    expect(
      await muster([...words, '-p', 'a integer = 1 -- it', '-t', 'os=linux', '-g', '--timeout', '1m']),
    ).toMatchObject({
      code: 0,
      err: 'question new is saved, version 1\n',
    });
    expect(kept.get('new')).toMatchObject({
      ...{ sql: 'SELECT 1 WHERE :a = 1', description: 'What: a test', tags: ['a', 'b'], target: 'os=linux' },
      ...{ mode: 'group', timeoutMs: 60_000 },
      parameters: [{ name: 'a', type: 'integer', default: 1, description: 'it' }],
    });
  });

  test('changes the version that the file was made from, and says who was faster', async () => {
    const kept = library(questionJson());
    const { out } = await muster(['questions', 'show', 'ports']);
    const path = file('ports', out.replace('listening_ports', 'process_open_sockets'));
    expect((await muster(['questions', 'save', 'ports', '-f', path])).code).toBe(0);
    expect(kept.get('ports')).toMatchObject({ version: 4, sql: expect.stringContaining('process_open_sockets') });
    const late = await muster(['questions', 'save', 'ports', '-f', path]);
    expect(late).toMatchObject({ code: 1 });
    expect(late.err).toContain('ports is at version 4');
    expect(late.err).toContain('--force');
    expect((await muster(['questions', 'save', 'ports', 'SELECT 1'])).code).toBe(1);
    expect((await muster(['questions', 'save', 'ports', 'SELECT 1', '--force'])).code).toBe(0);
    expect(kept.get('ports')).toMatchObject({ version: 5, sql: 'SELECT 1' });
  });
});

describe('a folder', () => {
  test('is shown as differences, applied, and then equal', async () => {
    const kept = library(questionJson());
    file('ports', '-- param: port integer = 22 -- the port\nSELECT port FROM listening_ports WHERE port = :port\n');
    file('disks', '-- tags: disk\nSELECT device FROM mounts');
    const shown = await muster(['questions', 'diff', folder]);
    expect(shown).toMatchObject({ code: 1 });
    expect(shown.out).toContain('+ disks (new)');
    expect(shown.out).toContain('~ ports (version 3, by ann)');
    expect(shown.out).toContain('  - sql: SELECT pid FROM');
    expect(await muster(['questions', 'apply', '-f', folder])).toMatchObject({
      code: 0,
      out: 'disks created\nports changed, version 4\n',
    });
    expect(kept.get('disks')).toMatchObject({ sql: 'SELECT device FROM mounts', tags: ['disk'] });
    expect(await muster(['questions', 'diff', folder])).toMatchObject({ code: 0, out: '' });
    expect((await muster(['questions', 'apply', '-f', folder])).out).toBe('disks unchanged\nports unchanged\n');
  });

  test('with a fault changes nothing', async () => {
    const kept = library();
    file('disks', 'SELECT device FROM mounts');
    file('new', '-- tagret: os=linux\nSELECT 1');
    expect(await muster(['questions', 'apply', '-f', folder])).toMatchObject({ code: 2 });
    expect(kept.size).toBe(0);
  });

  test('of a version that is gone is not applied, and the others are', async () => {
    const kept = library(questionJson());
    file('disks', 'SELECT device FROM mounts');
    file('ports', '-- version: 2\nSELECT 1');
    const { code, err } = await muster(['questions', 'apply', '-f', folder]);
    expect([code, err]).toEqual([1, expect.stringContaining('ports not applied: ports is at version 3')]);
    expect([kept.has('disks'), kept.get('ports')?.version]).toEqual([true, 3]);
  });
});

describe('the file of a question', () => {
  test.each([
    questionJson(),
    questionJson({ description: 'target: os=linux', tags: ['a', 'b.c'], target: 'os in (linux)', timeoutMs: 1_500 }),
    questionJson({
      parameters: [
        { name: 'a', type: 'list', default: [1, 'b'] },
        { name: 'b', type: 'null', default: null },
      ],
    }),
    questionJson({
      parameters: [
        { name: 'a', type: 'number', default: { $number: 2 } },
        { name: 'c', type: 'text' },
      ],
    }),
    questionJson({ mode: 'group', reduce: 'SELECT a\n  FROM rows', sql: 'SELECT 1\n-- target practice' }),
  ])('is read as the same: %#', (saved) => {
    const read = contentsOf(parseQuestion(fileText(saved)));
    const meant = contentsOf(questionOf(saved));
    expect({ ...read, reduce: read.reduce?.replace(/\s+/g, ' ') }).toEqual({
      ...meant,
      reduce: meant.reduce?.replace(/\s+/g, ' '),
    });
  });

  test.each([
    questionJson({ sql: '-- target: os=windows\nSELECT 1' }),
    questionJson({ parameters: [{ name: 'a', type: 'text', default: 'x -- y' }] }),
    questionJson({ parameters: [{ name: 'a', type: 'text', default: 'x\n-- target: os=linux' }] }),
    questionJson({ reduce: "SELECT 'a\nb' FROM rows" }),
  ])('is none where a reader would take its text for an option: %#', async (saved) => {
    library(saved);
    const { code, err, out } = await muster(['questions', 'show', 'ports']);
    expect([code, out, err]).toEqual([1, '', expect.stringContaining('-o json has all of it')]);
    expect(JSON.parse((await muster(['questions', 'show', 'ports', '-o', 'json'])).out)).toEqual(saved);
  });

  test('and a terminal gets no control characters', async () => {
    const evil = questionJson({ sql: "SELECT '\u001b[2J'", changedBy: { id: 'x', name: '\u001b]0;x\u0007' } });
    library({ ...evil, name: 'port-listeners' });
    api.json('GET /v1/questions/port-listeners', { ...evil, name: 'port-listeners' });
    const { out, err } = await muster(['questions', 'show', 'port-listeners']);
    expect(out + err).not.toContain('\u001b');
  });
});

test('question files of this package are what the library takes', () => {
  const shipped = join(import.meta.dirname, '../../questions/port-listeners.sql');
  expect(contentsOf(parseQuestion(readFileSync(shipped, 'utf8')))).toMatchObject({ parameters: [{ name: 'port' }] });
});
