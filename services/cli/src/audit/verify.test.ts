import { expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { auditHash, type AuditRecord, type ChainLink } from '@muster/records';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness();

const verify = (...args: string[]) => muster(['audit', 'verify', ...args]);

/** A whole chain; the sequences have gaps, as those of a stream that many orgs share. */
function chain(length: number): ChainLink[] {
  const links: ChainLink[] = [];
  for (let i = 0, prev = ''; i < length; i += 1) {
    const record: AuditRecord = {
      atMs: i,
      org: 'acme' as OrgId,
      actor: 'op1',
      actorName: 'ann',
      action: 'command.submit',
      outcome: 'allowed',
      from: '::1',
      details: { targets: i },
      prev,
    };
    prev = auditHash(record);
    links.push({ seq: 2 * i + 5, record, hash: prev });
  }
  return links;
}

const textOf = (links: readonly ChainLink[]) => links.map((link) => `${JSON.stringify(link)}\n`).join('');

function serve(links: readonly ChainLink[], newest = links.at(-1)?.seq): void {
  api.json('GET /v1/audit', { items: newest === undefined ? [] : [{ seq: newest }] });
  api.on('GET /v1/audit/chain', (_, response) => void response.writeHead(200).end(textOf(links)));
}

test('of a whole chain the count, the first and last record and the head are printed', async () => {
  const links = chain(4);
  serve(links);
  const head = links[3]?.hash;
  expect(await verify()).toMatchObject({
    code: 0,
    out: `records  4\nfirst    5\nlast     11\nhead     ${head}\n`,
    err: '',
  });
  expect(JSON.parse((await verify('-o', 'json')).out)).toMatchObject({ records: 4, firstSeq: 5, head, faults: [] });
  serve([]);
  expect(await verify()).toMatchObject({ code: 0, out: 'records  0\n' });
});

test('a changed record is found, also when its hash was recomputed', async () => {
  const links = chain(5);
  const { seq, record } = links[2]!;
  const forged = { ...record, actorName: 'eve' };
  serve(links.with(2, { seq, record: forged, hash: links[2]!.hash! }));
  const clumsy = await verify();
  expect(clumsy.code).toBe(1);
  expect(clumsy.err).toMatch(/^error: the chain is broken: record 9 is not what its hash says/);
  serve(links.with(2, { seq, record: forged, hash: auditHash(forged) }));
  const careful = await verify();
  expect(careful.code).toBe(1);
  expect(careful.err).toMatch(/^error: the chain is broken: record 11 does not follow record 9/);
});

test('removed, inserted and moved records are found', async () => {
  const links = chain(5);
  for (const broken of [
    links.toSpliced(2, 1),
    links.toSpliced(2, 0, { seq: 8, record: { ...links[2]!.record, actor: 'eve' } }),
    [links[0]!, links[2]!, links[1]!, links[3]!],
  ]) {
    serve(broken);
    expect(await verify()).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: the chain is broken: record \d+/),
    });
  }
});

test('a truncated chain is found with a head that was kept elsewhere', async () => {
  const links = chain(5);
  const kept = links[3]!.hash!;
  serve(links);
  const whole = await verify('--expect-head', kept.toUpperCase());
  expect(whole.code).toBe(0);
  expect(whole.out).toContain('expected head  found; 1 record since\n');
  serve(links.slice(0, 3));
  const cut = await verify('--expect-head', kept);
  expect(cut.code).toBe(1);
  expect(cut.err).toContain(`no record of the chain has the hash ${kept}`);
  expect(await verify('--expect-head', 'abc')).toMatchObject({ code: 2, out: '' });
});

test('after a broken connection it continues behind the last record', async () => {
  const links = chain(5);
  serve(links);
  const seen: string[] = [];
  api.on('GET /v1/audit/chain', ({ path }, response) => {
    seen.push(path);
    response.writeHead(200);
    if (seen.length === 1) return void response.write(textOf(links.slice(0, 2)), () => void response.destroy());
    // A server that stops ends its answers properly, but too early.
    response.end(textOf(links.slice(seen.length === 2 ? 2 : 4, seen.length === 2 ? 4 : 5)));
  });
  const { code, out } = await verify();
  expect([code, out.split('\n')[0]]).toEqual([0, 'records  5']);
  expect(seen).toEqual(['/v1/audit/chain', '/v1/audit/chain?after=7', '/v1/audit/chain?after=11']);
});

test('`muster audit` without a subcommand lists records', async () => {
  api.json('GET /v1/audit', { items: [] });
  expect(await muster(['audit', '--action', 'command', '--limit', '5'])).toMatchObject({ code: 0 });
  expect(api.requests[0]?.path).toBe('/v1/audit?action=command&limit=5');
});
