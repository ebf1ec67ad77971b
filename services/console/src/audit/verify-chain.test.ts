import type { AuditLinkJson } from '@muster/api-contract';
import { expect, test } from '@jest/globals';
import { verifyChain } from './verify-chain.js';

const hashOf = async (record: unknown): Promise<string> => {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(record)));
  return new Uint8Array(digest).join('.');
};

async function chain(length: number): Promise<AuditLinkJson[]> {
  const links: AuditLinkJson[] = [];
  for (let at = 0, prev = ''; at < length; at += 1) {
    const record = { action: 'query.start', at, prev };
    prev = await hashOf(record);
    links.push({ seq: at * 2 + 1, hash: prev, record });
  }
  return links;
}
async function* each(links: readonly AuditLinkJson[]): AsyncGenerator<AuditLinkJson> {
  yield* links;
}
const faults = async (links: readonly AuditLinkJson[]): Promise<number[]> =>
  (await verifyChain(each(links), hashOf)).faults.map(({ seq }) => seq);

test('a whole chain has no fault, and its head is the hash of its newest record', async () => {
  const links = await chain(5);
  expect(await verifyChain(each(links), hashOf)).toEqual({
    records: 5,
    firstSeq: 1,
    lastSeq: 9,
    head: links[4]!.hash,
    faults: [],
  });
  expect(await faults(links.slice(2))).toEqual([]);
});

test('a changed record is found, also with a recomputed hash; so are removed, inserted and moved ones', async () => {
  const links = await chain(5);
  const forged = { ...links[2]!.record, action: 'query.cancel' };
  expect(await faults(links.with(2, { ...links[2]!, record: forged }))).toEqual([5, 7]);
  expect(await faults(links.with(2, { seq: 5, record: forged, hash: await hashOf(forged) }))).toEqual([7]);
  expect(await faults(links.toSpliced(2, 1))).toEqual([7]);
  expect(await faults([links[0]!, links[2]!, links[1]!])).toEqual([5, 3]);
  const alien = { action: 'x' };
  expect(await faults(links.toSpliced(2, 0, { seq: 4, record: alien, hash: await hashOf(alien) }))).toEqual([4, 5]);
});

test('records from before the chain may stand at its start only', async () => {
  const old = { action: 'old' };
  const links = await chain(2);
  expect(await faults([{ seq: 0, record: old, hash: await hashOf(old) }, ...links])).toEqual([]);
});
