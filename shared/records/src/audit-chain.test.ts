import { describe, expect, it } from '@jest/globals';
import { auditHash, ChainVerifier, verifyChain, type ChainLink } from './audit-chain.js';
import type { OrgId } from '@muster/protocol';
import type { AuditRecord } from './operator-records.js';
import { decodeRecord, encodeRecord } from './record-codec.js';

function record(subject: string, prev?: string): AuditRecord {
  return {
    atMs: 1_700_000_000_000,
    org: 'acme' as OrgId,
    actor: 'a',
    actorName: 'Ann',
    action: 'command.submit',
    outcome: 'allowed',
    from: '192.0.2.1',
    subject,
    details: { z: 1, a: [1.5, 'é', null], nested: { y: true } },
    ...(prev === undefined ? {} : { prev }),
  };
}

/** Sequences 10, 20, …: other orgs' records stand between. */
function chain(length: number, before: readonly AuditRecord[] = []): ChainLink[] {
  const records = [...before];
  for (let i = 0; i < length; i += 1)
    records.push(record(`s${i}`, records.length === 0 ? '' : auditHash(records.at(-1)!)));
  return records.map((each, i) => ({ seq: (i + 1) * 10, record: each, hash: auditHash(each) }));
}

const faults = (links: readonly ChainLink[]) =>
  verifyChain(links).faults.map(({ kind, seq, after }) => [kind, seq, after]);
const changed = (link: ChainLink): ChainLink => {
  const forged = { ...link.record, actorName: 'Eve' };
  return { ...link, record: forged, hash: auditHash(forged) };
};

describe('the audit chain', () => {
  it('without changes has no fault, and reports its head', () => {
    const links = chain(50);
    expect(verifyChain(links)).toEqual({
      records: 50,
      unchained: 0,
      cut: false,
      faults: [],
      head: auditHash(links.at(-1)!.record),
      headSeq: 500,
    });
    expect(verifyChain([])).toMatchObject({ records: 0, head: '', faults: [] });
  });

  it('is the same after JSON, as an external verifier reads it', () => {
    const links = chain(5).map((link) => JSON.parse(JSON.stringify(link)) as ChainLink);
    expect(faults(links)).toEqual([]);
    for (const { record: each } of links)
      expect(encodeRecord(decodeRecord<AuditRecord>(encodeRecord(each)))).toEqual(encodeRecord(each));
  });

  it('reports a changed record at the next record, which does not fit it', () => {
    const links = chain(5);
    links[2] = changed(links[2]!);
    expect(faults(links)).toEqual([['broken', 40, 30]]);
    expect(verifyChain(links).faults[0]!.message).toMatch(/record 40 does not follow record 30/);
  });

  it('reports a changed record itself when its bytes do not match its hash, also the last one', () => {
    const links = chain(5);
    links[4] = { ...changed(links[4]!), hash: links[4]!.hash! };
    expect(faults(links)).toEqual([['changed', 50, 40]]);
  });

  it('reports the place of a removed record', () => {
    const links = chain(5);
    links.splice(2, 2);
    expect(faults(links)).toEqual([['broken', 50, 20]]);
  });

  it('reports an inserted record, whichever record it names', () => {
    const links = chain(5);
    const insert = (prev: string | undefined) => {
      const forged = record('forged', prev);
      return links.toSpliced(3, 0, { seq: 35, record: forged, hash: auditHash(forged) });
    };
    expect(faults(insert(auditHash(links[2]!.record)))).toEqual([['inserted', 40, 30]]);
    expect(faults(insert(undefined))).toEqual([
      ['unchained', 35, 30],
      ['inserted', 40, 30],
    ]);
    expect(faults(insert('ab'.repeat(32)))).toEqual([
      ['broken', 35, 30],
      ['inserted', 40, 30],
    ]);
  });

  it('reports records whose order was changed', () => {
    const links = chain(6);
    const swapped = [links[0]!, links[1]!, links[3]!, links[2]!, links[4]!, links[5]!];
    expect(faults(swapped)).toContainEqual(['moved', 30, 40]);
  });

  it('may begin with unchained records, which its first record covers', () => {
    const old = [record('old0'), record('old1')];
    const links = chain(3, old);
    expect(verifyChain(links)).toMatchObject({ records: 5, unchained: 2, cut: false, faults: [] });
    links[1] = changed(links[1]!);
    expect(faults(links)).toEqual([['broken', 30, 20]]);
  });

  it('without its start reports that, and the rest is checked', () => {
    const links = chain(6).slice(3);
    expect(verifyChain(links)).toMatchObject({ cut: true, faults: [], records: 3 });
    expect(verifyChain(links.toSpliced(1, 1))).toMatchObject({ cut: true, faults: [{ kind: 'broken', seq: 60 }] });
  });

  it('every change of any record except the last is found', () => {
    for (let at = 0; at < 19; at += 1) {
      const links = chain(20);
      expect(faults(links.with(at, changed(links[at]!))).length).toBeGreaterThan(0);
      expect(at === 0 || faults(links.toSpliced(at, 1)).length > 0).toBe(true);
    }
  });

  it('reports each fault once, with the record that shows it', () => {
    const verifier = new ChainVerifier();
    const links = chain(4);
    const faultCounts = [links[0]!, links[2]!, links[3]!].map((link) => verifier.next(link).length);
    expect(faultCounts).toEqual([0, 1, 0]);
  });
});
