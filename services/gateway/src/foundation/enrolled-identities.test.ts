import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { ReadOptions, StreamStore } from '@muster/bus';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import { DirectoryWriter } from '@muster/directory';
import type { AgentId, OrgId } from '@muster/protocol';
import { encodeRecord, STREAMS, STREAM_SUBJECTS, type EnrolledRecord } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { EnrolledIdentities } from './enrolled-identities.js';
import { IdentityView } from './identity-view.js';

const ORG = 'acme' as OrgId;
const DAY_MS = 86_400_000;
const FACTS = { host: 'h', os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' } as const;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

let connection: MemoryConnection;
let writer: DirectoryWriter;
let clock: FakeClock;
let identities: EnrolledIdentities;
const started: IdentityView[] = [];

async function start(): Promise<EnrolledIdentities> {
  return await startWith(connection.streams);
}

async function startWith(streams: StreamStore): Promise<EnrolledIdentities> {
  const records = new IdentityView({ streams, logger: silentLogger });
  const made = new EnrolledIdentities({ records, clock });
  started.push(records);
  await records.start();
  return made;
}

beforeEach(async () => {
  connection = new MemoryBroker().connect();
  await connection.streams.ensure(Object.values(STREAMS));
  writer = new DirectoryWriter({ streams: connection.streams });
  clock = new FakeClock();
  identities = await start();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.stop()));
  await connection.stop();
});

async function enrol(
  id: string,
  secret?: string,
): Promise<{ org: OrgId; agentId: AgentId; num: number; secret?: string }> {
  const agentId = id.repeat(24).slice(0, 24) as AgentId;
  const more = secret === undefined ? {} : { secret };
  const record = { agentId, org: ORG, publicKey: 'k', enrolledAtMs: clock.now(), from: '', facts: FACTS, labels: {} };
  const result = await writer.enroll({ ...record, ...more });
  if (result.kind !== 'enrolled') throw new Error(result.kind);
  return { org: ORG, agentId, num: result.num, ...more };
}

it('counts identities by org and by secret, and removals', async () => {
  const [one] = [await enrol('a', 'image'), await enrol('b', 'image'), await enrol('c')];
  await eventually(() => identities.size === 3);
  expect([identities.count(ORG), identities.count(ORG, 'image'), identities.count('globex')]).toEqual([3, 2, 0]);
  await writer.remove(one, { atMs: clock.now(), why: 'never_live' });
  await eventually(() => identities.size === 2);
  expect([identities.count(ORG), identities.count(ORG, 'image'), identities.orgs()]).toEqual([2, 1, [ORG]]);
  const later = await start();
  expect([later.size, later.count(ORG, 'image')]).toEqual([2, 1]);
});

it('is not confused by records that come a second time, as after an interruption', async () => {
  const one = await enrol('a', 'image');
  const record = { agentId: one.agentId, org: ORG, publicKey: '', enrolledAtMs: 1, from: '', facts: FACTS, labels: {} };
  for (const removed of [true, true]) {
    const why = { atMs: clock.now(), why: 'never_live', num: one.num } as const;
    const data = encodeRecord({ ...record, secret: 'image', ...(removed ? { removed: why } : {}) });
    await connection.streams.append(STREAM_SUBJECTS.enrolled(ORG, one.agentId), data);
  }
  await eventually(() => identities.size === 0);
  const again = await enrol('b', 'image');
  await eventually(() => identities.count(ORG, 'image') === 1);
  expect(identities.isRemoved(ORG, again.agentId, again.num)).toBe(false);
});

it('knows tokens of removed identities for as long as they live, also when the key has enrolled again', async () => {
  const one = await enrol('a');
  await writer.remove(one, { atMs: clock.now(), why: 'never_live' });
  await eventually(() => identities.isRemoved(ORG, one.agentId, one.num));
  const again = await enrol('a');
  const later = await start();
  await eventually(() => identities.size === 1);
  for (const view of [identities, later]) {
    expect([one.num, again.num].map((num) => view.isRemoved(ORG, one.agentId, num))).toEqual([true, false]);
  }
  clock.advance(31 * DAY_MS);
  await writer.remove(await enrol('b'), { atMs: clock.now(), why: 'never_live' });
  await eventually(() => !identities.isRemoved(ORG, one.agentId, one.num));
});

it('knows which identities had a session', async () => {
  const one = await enrol('a');
  expect(identities.wasLive(one.num)).toBe(false);
  await writer.recordFirstSession(ORG, one.agentId, { atMs: 1, num: one.num });
  await eventually(() => identities.wasLive(one.num));
  expect((await start()).wasLive(one.num)).toBe(true);
});

it('says where an identity stands among all, before and after the stream has brought it', async () => {
  const [one, two, other] = [await enrol('a', 'image'), await enrol('b', 'image'), await enrol('c')];
  const standings = await Promise.all([one, two, other].map(({ num }) => identities.standing(num)));
  expect(standings).toEqual([
    { inOrg: 1, withSecret: 1 },
    { inOrg: 2, withSecret: 2 },
    { inOrg: 3, withSecret: 0 },
  ]);
  expect(await identities.standing(two.num)).toEqual({ inOrg: 2, withSecret: 2 });
  const never = identities.standing(999);
  clock.advance(5_000);
  expect(await never).toBeUndefined();
});

// The number of docs/operations.md, "Memory of identities".
it('takes less than 100 bytes for an identity', async () => {
  const heapBytes = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const record = { agentId: 'a', org: ORG, publicKey: '', enrolledAtMs: 1, from: '', facts: FACTS, labels: {} };
  const data = encodeRecord({ ...record, secret: 'image' } as EnrolledRecord);
  const read = async function* (_stream: string, { onCaughtUp, signal }: ReadOptions = {}) {
    for (let num = 1; num <= 100_000; num += 1)
      yield { seq: 2 * num, subject: `muster.v1.identity.${ORG}.enrolled.a${num}`, data, timestampMs: 0, pending: 0 };
    onCaughtUp?.();
    await new Promise((resolve) => signal?.addEventListener('abort', resolve));
  };
  const before = heapBytes();
  const many = await startWith({ read } as unknown as StreamStore);
  for (let num = 1; num <= 100_000; num += 1) many.noteLive(2 * num);
  const each = (heapBytes() - before) / many.size;
  process.stdout.write(`bytes per identity at a gateway: ${Math.round(each)}\n`);
  expect(each).toBeLessThan(100);
});
