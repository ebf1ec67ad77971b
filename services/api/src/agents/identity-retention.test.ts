import { afterAll, beforeAll, beforeEach, afterEach, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { AuditTrail } from '@muster/audit';
import { connectNats, type Broker } from '@muster/bus';
import { Directory, DirectoryWriter } from '@muster/directory';
import type { AgentId, OrgId } from '@muster/protocol';
import { decodeRecord, STREAMS, STREAM_SUBJECTS, type AuditRecord } from '@muster/records';
import { createMetrics, silentLogger, systemClock } from '@muster/runtime';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { MemoryRegistry, startBrokers, type TestBrokers } from '@muster/testkit';
import { IdentityRetention, TOKENS_EXPIRED_MS } from './identity-retention.js';
import { createPresenceMetrics, PresenceReader } from './presence.js';

const DAY_MS = 86_400_000;
const FACTS = { host: 'h', os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' } as const;
const START_MS = 1_800_000_000_000;

let brokers: TestBrokers;
let broker: Broker;
let writer: DirectoryWriter;
let directory: Directory;
let clock: FakeClock;
let org: OrgId;
const registry = new MemoryRegistry();

beforeAll(async () => {
  brokers = await startBrokers('binaries');
  broker = await connectNats({ servers: [brokers.nats.url], name: 'retention', logger: silentLogger });
  await broker.streams.ensure(Object.values(STREAMS));
  writer = new DirectoryWriter({ streams: broker.streams });
});
afterAll(async () => {
  await broker.stop();
  await brokers.stop();
});
beforeEach(async () => {
  org = `org-${randomBytes(4).toString('hex')}` as OrgId;
  clock = new FakeClock(START_MS);
  directory = new Directory({ streams: broker.streams, logger: silentLogger });
  await directory.start();
});
afterEach(() => directory.stop());

function retention(view: Pick<Directory, 'all'> = directory): IdentityRetention {
  const { streams } = broker;
  const metrics = createMetrics('api');
  const counter = { inc: () => undefined };
  return new IdentityRetention({
    ...{ directory: view, writer, streams, clock, metrics, logger: silentLogger, unusedMs: 30 * DAY_MS },
    presence: new PresenceReader({
      ...{ registry, clock, metrics: createPresenceMetrics(metrics) },
      doubt: { isInDoubt: () => Promise.resolve(false) },
    }),
    audit: new AuditTrail({
      ...{ streams, clock: systemClock, logger: silentLogger },
      metrics: { auditLost: counter, auditSuppressed: counter },
    }),
  });
}

/** An identity that this version enrolled, known to the directory. */
async function enrolled(more: { readonly secret?: string } = { secret: 'image' }) {
  const agentId = randomBytes(12).toString('hex') as AgentId;
  const publicKey = randomBytes(32).toString('base64url');
  const record = { agentId, org, publicKey, enrolledAtMs: clock.now(), from: '', facts: FACTS, labels: {}, ...more };
  const result = await writer.enroll(record);
  if (result.kind !== 'enrolled') throw new Error(result.kind);
  await eventually(() => directory.byId(org, agentId));
  return { org, agentId, num: result.num, record };
}

async function kept(): Promise<string[]> {
  const subjects: string[] = [];
  const all = broker.streams.read(STREAMS.identities.name, { subject: `muster.v1.identity.${org}.>` });
  for await (const { subject } of all) subjects.push(subject);
  return subjects;
}

const isGone = ({ agentId }: { readonly agentId: AgentId }) => directory.byId(org, agentId) === undefined;

it('removes identities that had no session for their time, and no others', async () => {
  const unused = await enrolled();
  const [used, connected, revoked, earlier] = [
    await enrolled(),
    await enrolled(),
    await enrolled(),
    await enrolled({}),
  ];
  await writer.setLabels(org, unused.agentId, { labels: { site: 'zrh' }, by: 'a secret', atMs: 1 });
  await writer.recordFirstSession(org, used.agentId, { atMs: clock.now(), num: used.num });
  await writer.revoke(org, revoked.agentId, { by: 'op', reason: 'x', atMs: clock.now() });
  registry.hold({ org, agentId: connected.agentId, num: connected.num, gatewayId: 'gw-x', mode: 'live' });
  clock.advance(29 * DAY_MS);
  const young = await enrolled();
  await retention().sweep();
  expect(isGone(unused)).toBe(false);
  clock.advance(DAY_MS);
  await retention().sweep();
  await eventually(() => isGone(unused));
  for (const one of [used, connected, revoked, earlier, young]) expect(isGone(one)).toBe(false);
  const audited: unknown[] = [];
  await eventually(async () => {
    for await (const { data } of broker.streams.read(STREAMS.audit.name, { subject: STREAM_SUBJECTS.audit(org) })) {
      audited.push(decodeRecord<AuditRecord>(data));
    }
    return audited.length > 0;
  });
  expect(audited[0]).toMatchObject({ action: 'agent.remove', subject: unused.agentId, details: { why: 'never_live' } });
});

it('removes nothing while it is not known who is connected', async () => {
  const unused = await enrolled();
  clock.advance(31 * DAY_MS);
  registry.store.available = false;
  await retention().sweep();
  registry.store.available = true;
  expect((await writer.find(org, unused.agentId)).kind).toBe('known');
});

it('several processes remove an identity once, and a view that is late does not remove who was live meanwhile', async () => {
  const [unused, late] = [await enrolled(), await enrolled()];
  const view = [...directory.all()];
  await writer.recordFirstSession(org, late.agentId, { atMs: clock.now(), num: late.num });
  clock.advance(31 * DAY_MS);
  await Promise.all([1, 2, 3].map(() => retention({ all: () => view }).sweep()));
  expect((await writer.find(org, late.agentId)).kind).toBe('known');
  expect((await writer.find(org, unused.agentId)).kind).toBe('unknown');
  const again = await writer.enroll(unused.record);
  expect(again).toMatchObject({ kind: 'enrolled' });
  expect(again.kind === 'enrolled' && again.num).toBeGreaterThan(unused.num);
});

it('keeps a revocation for as long as a token may be valid, and a week longer; then nothing is left of the identity', async () => {
  const revoked = await enrolled();
  await writer.recordFirstSession(org, revoked.agentId, { atMs: clock.now(), num: revoked.num });
  await writer.setLabels(org, revoked.agentId, { labels: { a: 'b' }, by: 'op', atMs: clock.now() });
  await writer.revoke(org, revoked.agentId, { by: 'op', reason: 'stolen', atMs: clock.now() });
  await eventually(() => directory.byId(org, revoked.agentId)?.revoked !== undefined);
  expect(TOKENS_EXPIRED_MS).toBe(37 * DAY_MS);
  clock.advance(TOKENS_EXPIRED_MS - 1);
  await retention().sweep();
  expect(isGone(revoked)).toBe(false);
  clock.advance(1);
  await retention().sweep();
  await eventually(() => isGone(revoked));
  expect(await kept()).toEqual([STREAM_SUBJECTS.enrolled(org, revoked.agentId)]);
  clock.advance(TOKENS_EXPIRED_MS);
  await retention().sweep();
  expect(await kept()).toEqual([]);
});

it('forgets no identity that enrolled again', async () => {
  const unused = await enrolled();
  clock.advance(31 * DAY_MS);
  await retention().sweep();
  await writer.enroll({ ...unused.record, enrolledAtMs: clock.now() });
  clock.advance(TOKENS_EXPIRED_MS);
  await retention({ all: () => [] }).sweep();
  expect(await kept()).toEqual([STREAM_SUBJECTS.enrolled(org, unused.agentId)]);
});
