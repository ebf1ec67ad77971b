import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { StreamStore } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import type { ChangeTerms, PackRequest } from '@muster/messages';
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
  compile: (text: Uint8Array) => ({
    pack: { id: 'own', version: '1.0.0', title: 'Own', checks: [{}] },
    encoded: { hash: 'h', bytes: new Uint8Array(1) },
    digest: text === TEXT ? 'd' : 'e',
  }),
} as never;

let broker: MemoryBroker;
let library: PackLibrary;
let requests: PackRequests;
let schedules: string[];
const libraries: PackLibrary[] = [];

/** `appended` is done between a write and what comes after it. */
async function instance(appended: () => Promise<void> = () => Promise.resolve()) {
  const { streams } = broker.connect();
  const slow = new Proxy(streams as StreamStore, {
    get: (target, key: keyof StreamStore): unknown => {
      const value: unknown = target[key];
      if (key !== 'append') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      return async (...args: Parameters<StreamStore['append']>) => {
        const result = await target.append(...args);
        await appended();
        return result;
      };
    },
  });
  const packs = new PackLibrary({ streams: slow, logger: silentLogger });
  await packs.start();
  libraries.push(packs);
  const asked = new PackRequests({ packs, compiler, schedulesOf: () => schedules, clock: systemClock });
  return { packs, requests: asked };
}

beforeEach(async () => {
  broker = new MemoryBroker();
  await broker.connect().streams.ensure(Object.values(STREAMS));
  schedules = [];
  ({ packs: library, requests } = await instance());
});
afterEach(async () => {
  for (const packs of libraries.splice(0)) await packs.stop();
});

const PROPOSAL = { text: TEXT, hash: 'h', proposal: 'p', why: 'policy' };
const PROPOSE = { t: 'propose_pack' as const, org: ORG, by: ANN, ...PROPOSAL };
const propose = () => requests.handle(PROPOSE);
const SIGNED = { t: 'store_pack' as const, org: ORG, by: ANN, text: TEXT, hash: 'h', jws: 'j', keys: 'k' };
const approve = () => requests.handle({ ...SIGNED, approvedBy: BOB });
const REJECT = { t: 'reject_proposal' as const, org: ORG, id: 'own', digest: 'd' };
const reject = (by = BOB) => requests.handle({ ...REJECT, by });
const REMOVE = { t: 'remove_pack' as const, org: ORG, id: 'own', by: BOB };
const remove = () => requests.handle(REMOVE);

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

const CHANGES: readonly (readonly [string, PackRequest, readonly PackRequest[]])[] = [
  ['apply', SIGNED, []],
  ['propose', PROPOSE, [SIGNED]],
  ['approve', { ...SIGNED, approvedBy: BOB }, [PROPOSE]],
  ['approve, after a removal', { ...SIGNED, approvedBy: BOB }, [SIGNED, REMOVE, PROPOSE]],
  ['reject', { ...REJECT, by: BOB }, [PROPOSE]],
  ['remove', REMOVE, [SIGNED]],
];

const written = async (): Promise<number> => {
  let count = 0;
  for await (const _ of broker.connect().streams.read(STREAMS.packs.name)) count += 1;
  return count;
};

test.each(CHANGES)(
  '%s: a request that reaches two instances is done once, and both say so',
  async (_, asked, before) => {
    for (const request of before) await requests.handle(request);
    const first = { ...asked, changeId: 'c1' };
    const done = await requests.handle(first);
    const count = await written();
    const other = await instance();
    expect(await other.requests.handle(first)).toEqual(done);
    expect(await written()).toBe(count);
  },
);

test.each(CHANGES)('%s: two instances that do it at the same moment say the same', async (_, asked, before) => {
  for (const request of before) await requests.handle(request);
  const other = await instance();
  const first: PackRequest & ChangeTerms = { ...asked, changeId: 'c1' };
  const [one, two] = await Promise.all([requests.handle(first), other.requests.handle(first)]);
  expect(one).toEqual(two);
});

test('who asks for the same in another call is told how it stands', async () => {
  await propose();
  await requests.handle({ ...REJECT, by: BOB, changeId: 'c1' });
  const again = { ...REJECT, by: BOB, changeId: 'c2' };
  await expect(requests.handle(again)).rejects.toMatchObject({ code: 'not_found' });
});

test('an instance that stood still does not bring back what was rejected since', async () => {
  const late = await instance();
  // It hears nothing any more, and goes on with what it knew.
  await late.packs.stop();
  const asked = { ...PROPOSE, changeId: 'c1' };
  await requests.handle(asked);
  await requests.handle({ ...REJECT, by: BOB, changeId: 'c2' });
  await late.requests.handle(asked);
  await library.current();
  expect(await requests.handle({ t: 'list_proposals', org: ORG })).toEqual({ t: 'proposals', proposals: [] });
});

test('what is proposed while another version is being approved waits on', async () => {
  await propose();
  const other = await instance();
  let isFirst = true;
  const slow = await instance(async () => {
    if (!isFirst) return;
    isFirst = false;
    await other.packs.current();
    await other.requests.handle({ ...PROPOSE, by: BOB, text: deflateRawSync('other') });
  });
  await slow.requests.handle({ ...SIGNED, approvedBy: BOB });
  await library.current();
  expect(library.list(ORG)).toMatchObject([{ approvedBy: BOB }]);
  for (const packs of [library, slow.packs, other.packs])
    expect(packs.proposals(ORG, systemClock.now())).toMatchObject([{ by: BOB, digest: 'e' }]);
});

test('a pack that is removed while a version of it is being approved stays removed', async () => {
  await requests.handle(SIGNED);
  await propose();
  const other = await instance();
  let isFirst = true;
  const slow = await instance(async () => {
    if (!isFirst) return;
    isFirst = false;
    await other.requests.handle(REMOVE);
    await slow.packs.current();
  });
  const approved = slow.requests.handle({ ...SIGNED, approvedBy: BOB });
  await expect(approved).rejects.toMatchObject({ code: 'conflict' });
  await library.current();
  expect(library.list(ORG)).toEqual([]);
});
