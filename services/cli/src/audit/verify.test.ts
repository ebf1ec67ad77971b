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
  serveJournal([]);
}

function serveJournal(entries: readonly object[]): void {
  const lines = [...entries, { seq: 99, end: true }].map((line) => JSON.stringify(line));
  api.on('GET /v1/audit/journal', (_, response) => void response.writeHead(200).end(`${lines.join('\n')}\n`));
}

/** Records of journal entries, by their sequences. */
function ofEntries(...seqs: readonly number[]): ChainLink[] {
  let prev = '';
  return chain(seqs.length).map(({ seq, record }, i) => {
    const about = { action: 'command.outcome', details: { seq: seqs[i], journal: `hash ${seqs[i]}` }, prev };
    const changed: AuditRecord = { ...record, ...about };
    prev = auditHash(changed);
    return { seq, record: changed, hash: prev };
  });
}
const entry = (seq: number, more: object = {}): object => ({
  ...{ seq, journal: `hash ${seq}`, action: 'command.outcome', command: 'c1', at: '2026-01-01T00:00:00.000Z' },
  ...more,
});

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

test('records of a time are asked for as such', async () => {
  api.json('GET /v1/audit', { items: [] });
  await muster(['audit', '--since', '2026-01-01T00:00Z', '--until', '2026-01-02T00:00Z', '--limit', '5']);
  expect(decodeURIComponent(api.requests.at(-1)?.path ?? '')).toBe(
    '/v1/audit?since=2026-01-01T00:00:00.000Z&until=2026-01-02T00:00:00.000Z&limit=5',
  );
  expect((await muster(['audit', 'list', '--since', 'tomorrow'])).code).toBe(2);
});

test('`muster audit` without a subcommand lists records', async () => {
  api.json('GET /v1/audit', { items: [] });
  expect(await muster(['audit', '--action', 'command', '--limit', '5'])).toMatchObject({ code: 0 });
  expect(api.requests[0]?.path).toBe('/v1/audit?action=command&limit=5');
});

test('a chain that has each entry of the journal once agrees with it, and one of the last minute may be missing', async () => {
  serve(ofEntries(3, 4, 8));
  serveJournal([entry(4), entry(8), entry(9, { pending: true })]);
  const { code, out } = await verify();
  expect([code, out]).toEqual([
    0,
    expect.stringContaining('journal  compared; 3 entries, 1 of the last minute not recorded yet'),
  ]);
  expect(JSON.parse((await verify('-o', 'json')).out)).toMatchObject({
    journal: { entries: 3, pending: 1, faults: [] },
  });
});

test('what the journal has and the chain lacks, has twice, or has otherwise, is named', async () => {
  const wrong = async (links: readonly ChainLink[], entries: readonly object[]): Promise<string> => {
    serve(links);
    serveJournal(entries);
    const { code, err } = await verify();
    expect(code).toBe(1);
    return err;
  };
  const what =
    'error: the chain does not match the journal of commands: entry 4 of the journal (command.outcome of c1)';
  const entries = [entry(3), entry(4)];
  expect(await wrong(ofEntries(3), entries)).toContain(`${what} has no record`);
  expect(await wrong(ofEntries(3, 4, 4), entries)).toContain(`${what} has 2 records`);
  expect(await wrong(ofEntries(3, 4), [entry(4, { journal: 'other' })])).toContain(
    `${what} is not the one that its record describes`,
  );
});

test('records of requests from before they named their entry count, and an older server is not asked', async () => {
  const old = chain(1);
  const record: AuditRecord = { ...old[0]!.record, subject: 'c7' };
  serve([{ seq: 5, record, hash: auditHash(record) }]);
  serveJournal([entry(2, { action: 'command.submit', command: 'c7' })]);
  expect((await verify()).code).toBe(0);
  api.on('GET /v1/audit/journal', (_, response) => {
    response.writeHead(404, { 'content-type': 'application/problem+json' }).end('{"code":"not_found"}');
  });
  expect(await verify()).toMatchObject({ code: 0, out: expect.stringContaining('not compared') });
});

test('after a broken connection the journal is read on, and lines that do not go on are refused', async () => {
  serve(ofEntries(1, 2));
  const seen: string[] = [];
  const line = (each: object): string => `${JSON.stringify(each)}\n`;
  api.on('GET /v1/audit/journal', ({ path }, response) => {
    seen.push(path);
    response.writeHead(200);
    if (seen.length === 1) return void response.end(line(entry(1)));
    response.end(`${line(entry(2))}${line({ seq: 2, end: true })}`);
  });
  expect(await verify()).toMatchObject({ code: 0, out: expect.stringContaining('compared; 2 entries') });
  expect(seen).toEqual(['/v1/audit/journal', '/v1/audit/journal?after=1']);
  api.on('GET /v1/audit/journal', (_, response) => void response.writeHead(200).end(line(entry(1))));
  expect(await verify()).toMatchObject({ code: 1, err: expect.stringContaining('not the next one') });
});
