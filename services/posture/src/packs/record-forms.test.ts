import { expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import type { OrgId } from '@muster/protocol';
import { decodePosture, encodePosture, STREAMS, STREAM_SUBJECTS, type ProposedPack } from '@muster/records';
import { silentLogger as logger } from '@muster/runtime';
import { PackLibrary } from './pack-library.js';

const ORG = 'acme' as OrgId;
const BOB = { id: 'bob', name: 'Bob' };
/** As the version before writes it, and reads it: members may be added, none may go or mean something else. */
const PROPOSED = {
  ...{ org: ORG, id: 'own', version: '1.0.0', hash: 'a', checks: 1, title: 'Own', text: new Uint8Array([1]) },
  ...{ by: { id: 'ann', name: 'Ann' }, atMs: 1, proposal: 'p', digest: 'd', why: 'policy' },
};
const REJECTED = { ...PROPOSED, decided: { as: 'rejected', by: BOB, atMs: 2 } };

async function open() {
  const { streams } = new MemoryBroker().connect();
  await streams.ensure(Object.values(STREAMS));
  const library = new PackLibrary({ streams, logger });
  await library.start();
  return { streams, library };
}

/** docs/decisions/kept-formats.md: a new form of these needs a new format of the stream. */
test('a proposal and its rejection are written as the version before reads them', async () => {
  const { streams, library } = await open();
  const subject = STREAM_SUBJECTS.packProposal(ORG, 'own');
  const last = async (): Promise<unknown> =>
    decodePosture((await streams.last(STREAMS.packs.name, subject))?.data ?? new Uint8Array());
  await library.propose(PROPOSED);
  expect(await last()).toMatchObject(PROPOSED);
  await library.decide({ org: ORG, id: 'own', digest: 'd' }, { as: 'rejected', by: BOB, atMs: 2 });
  expect(await last()).toMatchObject(REJECTED);
  await library.stop();
});

test('what the version before rejected does not wait here, and cannot be approved', async () => {
  const { streams, library } = await open();
  await streams.append(STREAM_SUBJECTS.packProposal(ORG, 'own'), encodePosture(REJECTED as ProposedPack), {});
  await library.current();
  expect(library.proposals(ORG, 3)).toEqual([]);
  const approving = library.decide({ org: ORG, id: 'own', digest: 'd' }, { as: 'approved', by: BOB, atMs: 3 });
  await expect(approving).rejects.toMatchObject({ code: 'not_found' });
  await library.stop();
});
