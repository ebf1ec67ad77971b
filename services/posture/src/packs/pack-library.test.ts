import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import type { OrgId } from '@muster/protocol';
import { STREAMS, type PackRecord } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { PackLibrary } from './pack-library.js';

const ORG = 'acme' as OrgId;
let library: PackLibrary;
beforeEach(async () => {
  const { streams } = new MemoryBroker().connect();
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
