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
