import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import type { OrgId } from '@muster/protocol';
import { STREAMS } from '@muster/records';
import { silentLogger, systemClock } from '@muster/runtime';
import { PackLibrary } from './pack-library.js';
import { PackRequests } from './pack-requests.js';

const ORG = 'acme' as OrgId;
const ANN = { id: 'ann', name: 'Ann' };
const BOB = { id: 'bob', name: 'Bob' };
const TEXT = deflateRawSync('text');

/** Every text is the same pack. */
const compiler = {
  compile: () => ({
    pack: { id: 'own', version: '1.0.0', title: 'Own', checks: [{}] },
    encoded: { hash: 'h', bytes: new Uint8Array(1) },
    digest: 'd',
  }),
} as never;

let library: PackLibrary;
let requests: PackRequests;
let schedules: string[];
beforeEach(async () => {
  const { streams } = new MemoryBroker().connect();
  await streams.ensure(Object.values(STREAMS));
  library = new PackLibrary({ streams, logger: silentLogger });
  await library.start();
  schedules = [];
  requests = new PackRequests({ packs: library, compiler, schedulesOf: () => schedules, clock: systemClock });
});
afterEach(() => library.stop());

const propose = () =>
  requests.handle({ t: 'propose_pack', org: ORG, by: ANN, text: TEXT, hash: 'h', proposal: 'p', why: 'policy' });
const SIGNED = { t: 'store_pack' as const, org: ORG, by: ANN, text: TEXT, hash: 'h', jws: 'j', keys: 'k' };
const approve = () => requests.handle({ ...SIGNED, approvedBy: BOB });
const reject = (by = BOB) => requests.handle({ t: 'reject_proposal', org: ORG, id: 'own', digest: 'd', by });
const remove = () => requests.handle({ t: 'remove_pack', org: ORG, id: 'own', by: BOB });

test('what was rejected is not applied, though it was signed before', async () => {
  await propose();
  expect(await reject(ANN)).toMatchObject({ t: 'proposal_rejected', proposal: { id: 'own', by: ANN } });
  await expect(approve()).rejects.toMatchObject({ code: 'not_found' });
  expect(library.list(ORG)).toEqual([]);
  expect(await requests.handle({ t: 'list_proposals', org: ORG })).toEqual({ t: 'proposals', proposals: [] });
});

test('what is applied cannot be rejected', async () => {
  await propose();
  expect(await approve()).toMatchObject({ t: 'pack', pack: { by: ANN, approvedBy: BOB } });
  await expect(reject()).rejects.toMatchObject({ code: 'not_found' });
});

test('a pack that schedules run is not removed; the answer names them', async () => {
  await requests.handle(SIGNED);
  schedules = ['nightly', 'weekly'];
  await expect(remove()).rejects.toMatchObject({
    code: 'conflict',
    message: 'schedules run own: nightly, weekly; delete them first',
  });
  schedules = Array.from({ length: 9 }, (_, n) => `at ${n}`);
  await expect(remove()).rejects.toThrow('at 4 and 4 more;');
  schedules = [];
  expect(await remove()).toEqual({ t: 'pack_removed', version: '1.0.0' });
  await expect(remove()).rejects.toMatchObject({ code: 'not_found' });
});
