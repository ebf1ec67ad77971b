import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness();
const folder = mkdtempSync(join(tmpdir(), 'muster-packs-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const PACK = `kind: muster/pack
format: 1
id: test
version: 1.0.0
title: Test
checks:
  - id: one
    title: One
    severity: high
    platforms: [linux]
    sql: SELECT pid, name FROM processes WHERE pid = 0
    row_means: fail
    remediation: Mend it.
`;

test('lint prints each finding with its place, and fails when there is a fault', async () => {
  const good = file('good.yaml', PACK);
  expect(await muster(['pack', 'lint', good])).toMatchObject({ code: 0, out: `${good}: test 1.0.0, 1 check\n` });
  const bad = file('bad.yaml', PACK.replace('pid = 0', 'pd = 0').replace('[linux]', '[linux]\n    tags: [a]'));
  const { code, out, err } = await muster(['pack', 'lint', good, bad]);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('1 fault') as unknown });
  expect(out).toContain(`${bad}:12:10: fault: checks[0].sql: no such column: pd`);
});

test('packs that come along are known by name; what is neither a file nor one of them is said', async () => {
  expect(await muster(['pack', 'lint', 'linux-baseline', 'suspicious-now'])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^linux-baseline: linux-baseline \d.*\nsuspicious-now: suspicious-now \d/) as unknown,
  });
  expect(await muster(['pack', 'lint', 'linux-baselin'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('suspicious-now') as unknown,
  });
});

test('diff names what changed', async () => {
  const before = file('before.yaml', PACK);
  const after = file('after.yaml', PACK.replace('pid = 0', 'pid = 1').replace('1.0.0', '1.1.0'));
  const { code, out } = await muster(['pack', 'diff', before, after]);
  expect(code).toBe(0);
  expect(out.split('\n')).toEqual(
    expect.arrayContaining(['  pack: version', '~ one: sql', expect.stringContaining('cannot be compared')]),
  );
  expect(JSON.parse((await muster(['pack', 'diff', '--json', before, after])).out)).toMatchObject({
    judgesOtherwise: true,
  });
});

test('import writes a pack that lint accepts, and says what it could not take over', async () => {
  const policies = file(
    'policies.yml',
    `kind: policy
spec: { name: Disk, query: "SELECT 1 FROM mounts WHERE path = '/'", platform: "linux,darwin", resolution: Encrypt it. }
---
kind: policy
spec: { name: Elsewhere, query: SELECT 1 FROM magic_table, platform: linux }
`,
  );
  const out = join(folder, 'imported.yaml');
  const imported = await muster(['pack', 'import', policies, '--from', 'fleet', '-o', out]);
  expect(imported).toMatchObject({ code: 3, out: `${out}: 1 check, and 1 that cannot run here\n` });
  expect(imported.err).toContain('elsewhere: no such table: magic_table');
  expect(readFileSync(out, 'utf8')).toContain('not_applicable');
  expect((await muster(['pack', 'lint', out])).code).toBe(0);
});

test('wrong formats and files are told', async () => {
  const pack = file('x.yaml', PACK);
  expect(await muster(['pack', 'import', pack, '--from', 'x', '-o', pack])).toMatchObject({ code: 2 });
  expect(await muster(['pack', 'lint', join(folder, 'missing.yaml')])).toMatchObject({ code: 2 });
  const nothing = await muster(['pack', 'import', pack, '--from', 'osquery', '-o', pack]);
  expect(nothing).toMatchObject({ code: 1, err: expect.stringContaining('nothing could be taken over') as unknown });
  expect(readFileSync(pack, 'utf8')).toBe(PACK);
});

test('an agent runs the checks: its program is started, and it is told when there is none', async () => {
  const pack = file('run.yaml', PACK);
  const agent = file('agent.js', 'console.log(process.argv.slice(2).join(" ")); process.exitCode = 1;');
  expect(await muster(['pack', 'test', pack, '--agent', agent, '-o', 'ndjson'])).toMatchObject({
    code: 3,
    out: `check --output ndjson ${pack}\n`,
  });
  expect(await muster(['pack', 'test', pack, '--agent', join(folder, 'no-agent')])).toMatchObject({ code: 1 });
});

const PROPOSAL = {
  ...{ id: 'test', version: '1.1.0', title: 'Test', checks: 1, hash: 'a'.repeat(64), digest: 'd'.repeat(64) },
  ...{ requestedBy: { id: 'a', name: 'Ann' }, requestedAt: '2026-11-30T10:00:00.000Z' },
  ...{ expiresAt: '2026-12-07T10:00:00.000Z', why: 'the policy asks for it' },
};
const APPLIED = {
  ...{ id: 'test', version: '1.0.0', title: 'Test', checks: 1, hash: 'a'.repeat(64) },
  ...{ appliedBy: { id: 'a', name: 'Ann' }, appliedAt: '2026-11-30T10:00:00.000Z' },
};

test('apply says that a pack waits, and for what', async () => {
  api.json('POST /v1/packs', PROPOSAL, 202);
  const { code, out } = await muster(['pack', 'apply', file('waits.yaml', PACK)]);
  expect({ code, out }).toEqual({
    ...{ code: 0, out: 'test 1.1.0: 1 check, waits for the approval of another admin: muster pack approve test\n' },
  });
});

test('approve shows what changes, asks, and approves the text that was shown', async () => {
  const text = PACK.replace('version: 1.0.0', 'version: 1.1.0').replace('pid = 0', 'pid = 1');
  api.json('GET /v1/pack-proposals/test', { ...PROPOSAL, text });
  api.json('GET /v1/packs/test', { ...APPLIED, contents: [], text: PACK });
  api.json('POST /v1/pack-proposals/test/approve', { ...APPLIED, version: '1.1.0' });
  const { code, out, asked } = await muster(['pack', 'approve', 'test'], { answers: ['y'] });
  expect({ code, out }).toEqual({ code: 0, out: 'test 1.1.0: 1 check, approved\n' });
  expect(asked[0]?.question).toContain('Ann asks to apply test 1.1.0, 1 check\n1.0.0 is applied; what changes:\n');
  expect(asked[0]?.question).toContain('~ one: sql\n');
  expect(api.requests.find(({ method }) => method === 'POST')?.body).toEqual({ digest: PROPOSAL.digest });
  expect(await muster(['pack', 'approve', 'test'], { answers: ['n'] })).toMatchObject({ code: 1 });
  api.json('GET /v1/packs/test', { code: 'not_found', status: 404, detail: 'there is none' }, 404);
  const first = await muster(['pack', 'approve', 'test'], { answers: ['y'] });
  expect(first.asked[0]?.question).toContain('none is applied yet');
  api.json('POST /v1/pack-proposals/test/approve', { code: 'self_approval', status: 403, detail: 'another must' }, 403);
  expect(await muster(['pack', 'approve', 'test', '-y'])).toMatchObject({
    ...{ code: 1, err: 'error: another must (self_approval)\n' },
  });
});

test('approve says when what changes cannot be told, and how to look at the texts', async () => {
  const newer = PACK.replace('format: 1', 'format: 2');
  const ask = async (present: string, proposed: string): Promise<string> => {
    api.json('GET /v1/pack-proposals/test', { ...PROPOSAL, text: proposed });
    api.json('GET /v1/packs/test', { ...APPLIED, contents: [], text: present });
    const { code, asked } = await muster(['pack', 'approve', 'test'], { answers: ['n'] });
    expect(code).toBe(1);
    return asked[0]?.question ?? '';
  };
  const waits = await ask(PACK, newer);
  expect(waits).toContain('What changes is not known: this muster cannot read the version that waits.');
  expect(waits).toContain('  muster pack show test; muster pack show test --waiting\n');
  expect(await ask(newer, PACK)).toContain(
    'What changes is not known: this muster cannot read 1.0.0, which is applied.',
  );
  expect(await ask(PACK, PACK)).not.toContain('not known');
});

test('what waits is listed, and its text is printed', async () => {
  api.json('GET /v1/pack-proposals', { items: [PROPOSAL] });
  expect((await muster(['pack', 'waiting'])).out).toMatch(/test\s+1\.1\.0\s+1\s+Test\s+Ann/);
  api.json('GET /v1/pack-proposals/test', { ...PROPOSAL, text: PACK });
  expect((await muster(['pack', 'show', 'test', '--waiting'])).out).toBe(PACK);
});

test('reject shows what waits, asks, and rejects that text', async () => {
  api.json('GET /v1/pack-proposals/test', { ...PROPOSAL, text: PACK });
  api.json('POST /v1/pack-proposals/test/reject', PROPOSAL);
  const no = await muster(['pack', 'reject', 'test'], { answers: ['n'] });
  expect(no.code).toBe(1);
  expect(no.asked[0]?.question).toContain('Ann asks to apply test 1.1.0, 1 check; it will not be applied\n');
  expect(api.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  const { code, out } = await muster(['pack', 'reject', 'test', '--reason', 'wrong', '-y']);
  expect({ code, out }).toEqual({ code: 0, out: 'test 1.1.0: rejected\n' });
  expect(api.requests.find(({ method }) => method === 'POST')?.body).toEqual({
    ...{ digest: PROPOSAL.digest, reason: 'wrong' },
  });
});

test('remove asks, and says why it is refused', async () => {
  api.json('GET /v1/packs/test', { ...APPLIED, contents: [], text: PACK });
  api.json('DELETE /v1/packs/test', { code: 'conflict', status: 409, detail: 'schedules run test: nightly' }, 409);
  expect((await muster(['pack', 'remove', 'test'], { answers: ['n'] })).code).toBe(1);
  expect(api.requests.some(({ method }) => method === 'DELETE')).toBe(false);
  const { code, err, asked } = await muster(['pack', 'remove', 'test'], { answers: ['y'] });
  expect({ code, err }).toEqual({ code: 1, err: 'error: schedules run test: nightly (conflict)\n' });
  expect(asked[0]?.question).toContain('can not be run any more');
  api.on('DELETE /v1/packs/test', (_, response) => void response.writeHead(204).end());
  expect((await muster(['pack', 'remove', 'test', '-y'])).out).toBe('test: removed\n');
});
