import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { StreamStore } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import { PACK_PROPOSAL_MS, type OrgId } from '@muster/protocol';
import { STREAMS, type PackRecord, type ProposedPack } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { PackLibrary } from './pack-library.js';

const ORG = 'acme' as OrgId;
let library: PackLibrary;
let streams: StreamStore;
beforeEach(async () => {
  ({ streams } = new MemoryBroker().connect());
  await streams.ensure(Object.values(STREAMS));
  library = new PackLibrary({ streams, logger: silentLogger });
  await library.start();
});
afterEach(() => library.stop());

function pack(version: string, hash: string): PackRecord {
  const reference = { id: 'own', version, hash, checks: 1, jws: 'j', keys: 'k' };
  const content = { title: 'Own', text: new Uint8Array(), bytes: new Uint8Array() };
  return { ...reference, ...content, org: ORG, by: { id: 'ann', name: 'Ann' }, atMs: 1 };
}

test('a version has the same checks for ever, also after newer versions', async () => {
  await library.store(pack('1.0.0', 'a'));
  await library.store(pack('1.1.0', 'b'));
  for (const version of ['1.0.0', '1.1.0'])
    await expect(library.store(pack(version, 'c'))).rejects.toMatchObject({ code: 'conflict' });
  expect(library.find(ORG, 'own')).toMatchObject({ version: '1.1.0', hash: 'b' });
  // The same version again is a repeat, and goes back to it.
  await library.store(pack('1.0.0', 'a'));
  expect(library.find(ORG, 'own')).toMatchObject({ version: '1.0.0', hash: 'a' });
});

test('the same text again writes nothing, so that versions that findings name are not pushed out', async () => {
  await library.store(pack('1.0.0', 'a'));
  await library.store(pack('1.1.0', 'b'));
  for (let i = 0; i < 300; i += 1) await library.store({ ...pack('1.1.0', 'b'), atMs: 2 + i });
  expect(await library.version(ORG, 'own', 'a')).toMatchObject({ version: '1.0.0' });
  // Signed again with other keys it is written.
  await library.store({ ...pack('1.1.0', 'b'), keys: 'k2' });
  expect(library.find(ORG, 'own')).toMatchObject({ keys: 'k2' });
});

function proposed(version: string, hash: string, atMs = 1): ProposedPack {
  const { jws: _jws, keys: _keys, bytes: _bytes, ...rest } = pack(version, hash);
  return { ...rest, atMs, proposal: 'p', digest: 'd', why: 'policy' };
}

test('what waits for a second person is not run, and waits until a newer version is applied', async () => {
  await library.store(pack('1.0.0', 'a'));
  await library.propose(proposed('1.1.0', 'b'));
  expect(library.find(ORG, 'own')).toMatchObject({ version: '1.0.0' });
  expect(await library.version(ORG, 'own', 'b')).toBeUndefined();
  expect(library.list(ORG)).toHaveLength(1);
  expect(library.proposals(ORG, 1)).toMatchObject([{ version: '1.1.0' }]);
  // The last one counts, and not for ever.
  await library.propose(proposed('1.2.0', 'c'));
  expect(library.proposals(ORG, 1)).toMatchObject([{ version: '1.2.0' }]);
  expect(library.proposals(ORG, 2 + PACK_PROPOSAL_MS)).toEqual([]);
  expect(library.proposals('other' as OrgId, 1)).toEqual([]);
  await expect(library.propose(proposed('1.0.0', 'c'))).rejects.toMatchObject({ code: 'conflict' });
  await library.store(pack('1.2.0', 'c'));
  expect(library.proposals(ORG, 1)).toEqual([]);
});

test('an instance that starts later knows the same', async () => {
  await library.store(pack('1.0.0', 'a'));
  await library.propose(proposed('1.1.0', 'b'));
  const other = new PackLibrary({ streams, logger: silentLogger });
  await other.start();
  expect(other.find(ORG, 'own')).toMatchObject({ version: '1.0.0' });
  expect(other.proposals(ORG, 1)).toMatchObject([{ version: '1.1.0' }]);
  await other.stop();
});

const BOB = { id: 'bob', name: 'Bob' };
const WAITING = { org: ORG, id: 'own', digest: 'd' };
const says = (as: 'approved' | 'rejected', atMs = 2) => ({ as, by: BOB, atMs });

test('what was rejected does not wait, cannot be approved, and may be proposed again', async () => {
  await library.propose(proposed('1.0.0', 'a'));
  await expect(library.decide({ ...WAITING, digest: 'e' }, says('rejected'))).rejects.toMatchObject({
    code: 'conflict',
  });
  await library.decide(WAITING, says('rejected'));
  expect(library.proposals(ORG, 2)).toEqual([]);
  for (const as of ['approved', 'rejected'] as const)
    await expect(library.decide(WAITING, says(as))).rejects.toMatchObject({ code: 'not_found' });
  await library.propose(proposed('1.0.0', 'a', 3));
  expect(library.proposals(ORG, 3)).toMatchObject([{ version: '1.0.0' }]);
});

test('of one that approves and one that rejects at the same moment only the first counts, at any instance', async () => {
  await library.propose(proposed('1.0.0', 'a'));
  const other = new PackLibrary({ streams, logger: silentLogger });
  await other.start();
  const both = await Promise.allSettled([
    library.decide(WAITING, says('approved')),
    other.decide(WAITING, says('rejected')),
  ]);
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  await Promise.all([library.current(), other.current()]);
  expect(library.proposals(ORG, 2)).toEqual(other.proposals(ORG, 2));
  await other.stop();
});

test('what is approved is not rejected any more, and waits until it is applied', async () => {
  await library.propose(proposed('1.0.0', 'a'));
  await library.decide(WAITING, says('approved'));
  await expect(library.decide(WAITING, says('rejected'))).rejects.toMatchObject({ code: 'conflict' });
  // Whoever approved it died before it was applied.
  await library.decide(WAITING, says('approved'));
  expect(library.proposals(ORG, 2)).toHaveLength(1);
  await library.store(pack('1.0.0', 'a'));
  expect(library.proposals(ORG, 2)).toEqual([]);
});

test('a pack that was removed is not run; its versions are still read, and are the same for ever', async () => {
  const removed = { by: BOB, atMs: 2 };
  await expect(library.remove(ORG, 'own', removed)).rejects.toMatchObject({ code: 'not_found' });
  await library.store(pack('1.0.0', 'a'));
  await library.propose(proposed('1.1.0', 'b'));
  await library.remove(ORG, 'own', removed);
  const later = new PackLibrary({ streams, logger: silentLogger });
  await later.start();
  for (const one of [library, later]) {
    expect(() => one.find(ORG, 'own')).toThrow('there is no pack own');
    expect({ size: one.size, list: one.list(ORG), waits: one.proposals(ORG, 2) }).toEqual({
      size: 0,
      list: [],
      waits: [],
    });
    expect(one.isApplied(ORG, 'own')).toBe(false);
    expect(await one.version(ORG, 'own', 'a')).toMatchObject({ version: '1.0.0' });
    await expect(one.remove(ORG, 'own', removed)).rejects.toMatchObject({ code: 'not_found' });
    await expect(one.store(pack('1.0.0', 'c'))).rejects.toMatchObject({ code: 'conflict' });
  }
  await later.store(pack('1.0.0', 'a'));
  await library.current();
  expect(library.find(ORG, 'own')).toMatchObject({ version: '1.0.0' });
  await later.stop();
});
