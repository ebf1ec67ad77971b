import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import { DirectoryWriter } from '@muster/directory';
import { parseEnrollSecrets } from '@muster/identity';
import type { AgentId, OrgId } from '@muster/protocol';
import { STREAMS } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { EnrolledIdentities } from '../foundation/enrolled-identities.js';
import { IdentityView } from '../foundation/identity-view.js';
import { EnrolmentLimits } from './enrolment-limits.js';

const ORG = 'acme' as OrgId;
const SECRET = 'a-secret-for-two-0123';
const FACTS = { host: 'h', os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' } as const;
const [A, B, C] = ['a', 'b', 'c'].map((letter) => letter.repeat(24) as AgentId) as [AgentId, AgentId, AgentId];

let connection: MemoryConnection;
let records: IdentityView;
let identities: EnrolledIdentities;
beforeEach(async () => {
  connection = new MemoryBroker().connect();
  await connection.streams.ensure(Object.values(STREAMS));
  records = new IdentityView({ streams: connection.streams, logger: silentLogger });
  identities = new EnrolledIdentities({ records, clock: new FakeClock() });
  await records.start();
});
afterEach(async () => {
  await records.stop();
  await connection.stop();
});

it('an identity that the stream brings before its enrolment has ended takes one place, not two', async () => {
  const text = JSON.stringify({ [ORG]: { secret: SECRET, name: 'two', maxIdentities: 2 } });
  const parsed = parseEnrollSecrets(text);
  if (!parsed.ok) throw new Error('the secrets do not parse');
  const secret = parsed.secrets.find(ORG, SECRET);
  if (secret === undefined) throw new Error('there is no such secret');
  const limits = new EnrolmentLimits({
    ...{ secrets: parsed.secrets, identities, enrollRate: 100, enrollBurst: 100, orgIdentities: 100 },
    ...{ clock: new FakeClock(), logger: silentLogger, metrics: createMetrics('gateway') },
  });
  const first = limits.room(secret, A);
  expect(first.kind).toBe('free');
  const record = { agentId: A, org: ORG, publicKey: 'k', enrolledAtMs: 1, from: '', facts: FACTS, labels: {} };
  await new DirectoryWriter({ streams: connection.streams }).enroll({ ...record, secret: 'two' });
  await eventually(() => identities.count(ORG, 'two') === 1);
  const second = limits.room(secret, B);
  expect(second.kind).toBe('free');
  expect(limits.room(secret, C).kind).toBe('full');
  if (second.kind === 'free') second.release();
  if (first.kind === 'free') first.release();
  expect(limits.room(secret, C).kind).toBe('free');
  expect(limits.room(secret, B).kind).toBe('full');
});
