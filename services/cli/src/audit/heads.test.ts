import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { generateSigningJwks, publicJwks, signAuditHead, type AuditHead } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import { auditHash, type AuditRecord, type ChainLink } from '@muster/records';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness();
const folder = mkdtempSync(join(tmpdir(), 'muster-heads-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'heads.ndjson');
const verify = (...args: string[]) => muster(['audit', 'verify', '--heads', file, ...args]);

/** A whole chain of records that `name` did; sequences from 10, in steps of two. */
function chain(length: number, name = 'ann', first = 10): ChainLink[] {
  const links: ChainLink[] = [];
  for (let i = 0, prev = ''; i < length; i += 1) {
    const about = { actor: 'op1', actorName: name, action: 'command.submit', outcome: 'allowed', from: '::1' } as const;
    const record: AuditRecord = { atMs: i, org: 'acme' as OrgId, ...about, details: { targets: i }, prev };
    prev = auditHash(record);
    links.push({ seq: first + 2 * i, record, hash: prev });
  }
  return links;
}
const headOf = ({ seq, hash = '' }: ChainLink, org = 'acme'): AuditHead => ({
  ...{ org, seq, hash },
  at: '2026-11-30T12:00:00.000Z',
});
const keep = (...heads: readonly object[]): void =>
  writeFileSync(file, heads.map((head) => `${JSON.stringify(head)}\n`).join(''));

function serve(links: readonly ChainLink[]): void {
  api.json('GET /v1/me', { id: 'op1', org: 'acme', role: 'admin' });
  api.json('GET /v1/audit', { items: links.length === 0 ? [] : [{ seq: links.at(-1)?.seq }] });
  const text = links.map((link) => `${JSON.stringify(link)}\n`).join('');
  api.on('GET /v1/audit/chain', (_, response) => void response.writeHead(200).end(text));
  api.on('GET /v1/audit/journal', (_, response) => void response.writeHead(200).end('{"seq":99,"end":true}\n'));
}

const links = chain(6);
beforeEach(() => {
  keep(headOf(links[1]!), headOf(links[1]!), headOf(links[4]!), headOf({ ...links[5]!, seq: 77 }, 'globex'));
});

test('heads that were kept are found in a chain that went on, those of other orgs are left out', async () => {
  serve(links);
  const { code, out } = await verify();
  expect([code, out]).toEqual([0, expect.stringContaining('2 heads found; signatures not checked')]);
});

test('a chain whose end was cut off fits in itself, and does not have the newest head', async () => {
  serve(links.slice(0, 4));
  expect(await muster(['audit', 'verify'])).toMatchObject({ code: 0 });
  const { code, err } = await verify();
  expect([code, err]).toEqual([
    1,
    expect.stringContaining(
      'the chain is not the one whose heads were kept: the chain ends with record 16, before record 18, the newest at 2026-11-30T12:00:00.000Z (line 3 of the heads)',
    ),
  ]);
  serve([]);
  expect(await verify()).toMatchObject({ code: 1, err: expect.stringContaining('ends with record 0') });
});

test('a chain that was written anew fits in itself, and has other records, whatever its sequences', async () => {
  for (const first of [10, 100]) {
    const forged = chain(6, 'eve', first);
    serve(forged);
    expect(await muster(['audit', 'verify'])).toMatchObject({ code: 0 });
    const { code, err } = await verify();
    expect(code).toBe(1);
    expect(err).toContain(first === 10 ? 'record 12 is another one than the newest at' : 'record 12 is not there');
    // As if age had cut it: nothing that was known of it is left.
    serve(forged.slice(2));
    expect(await verify()).toMatchObject({ code: 1 });
  }
});

test('age cuts the start of a chain, and no alarm is raised as long as a later head is there', async () => {
  serve(links.slice(3));
  const { code, out } = await verify();
  expect([code, out]).toEqual([0, expect.stringContaining('1 head found, 1 of records that are no longer kept')]);
  serve(links.slice(5));
  expect(await verify()).toMatchObject({ code: 1, err: expect.stringContaining('record 12 is not there') });
});

test('with keys each head must be signed as it is', async () => {
  const [own, other] = [await generateSigningJwks(), await generateSigningJwks()];
  const keys = join(folder, 'keys.json');
  writeFileSync(keys, JSON.stringify(publicJwks(own)));
  const signed = (link: ChainLink, by = own) => ({ ...headOf(link), jws: signAuditHead(headOf(link), by) });
  serve(links);
  keep(signed(links[1]!), signed(links[4]!));
  expect(await verify('--heads-keys', keys)).toMatchObject({
    code: 0,
    out: expect.stringContaining('2 heads found; their signatures are valid'),
  });
  keep(signed(links[1]!), signed(links[4]!, other), headOf(links[3]!), { ...signed(links[3]!), seq: 12 });
  const { code, err } = await verify('--heads-keys', keys);
  expect(code).toBe(1);
  for (const fault of [
    'line 2 of the heads is not signed by one of the keys (unknown_key)',
    'line 3 of the heads is not signed',
    'line 4 of the heads is not what was signed',
  ])
    expect(err).toContain(fault);
});

test('--append keeps the head of each day, and none of a chain that is not the same', async () => {
  rmSync(file);
  serve([]);
  expect(await verify()).toMatchObject({ code: 2, err: expect.stringContaining('cannot be read: ENOENT') });
  serve(links.slice(0, 3));
  expect(await verify('--append')).toMatchObject({ code: 0 });
  serve(links);
  expect(await verify('--append')).toMatchObject({ code: 0, out: expect.stringContaining('1 head found') });
  const kept = readFileSync(file, 'utf8');
  expect(
    kept
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as AuditHead).seq),
  ).toEqual([14, 20]);
  serve(chain(9, 'eve'));
  expect(await verify('--append')).toMatchObject({ code: 1 });
  expect(readFileSync(file, 'utf8')).toBe(kept);
});

test('a line that is no head, a file without heads of the org, and options without a file are refused', async () => {
  serve(links);
  keep({ msg: 'starting' });
  expect(await verify()).toMatchObject({ code: 2, err: expect.stringContaining(`line 1 of ${file} is no head`) });
  keep(headOf(links[1]!, 'globex'));
  expect(await verify()).toMatchObject({ code: 2, err: expect.stringContaining('no head of the org acme') });
  expect(await muster(['audit', 'verify', '--append'])).toMatchObject({ code: 2 });
});
