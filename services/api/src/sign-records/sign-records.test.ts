import { beforeEach, expect, test } from '@jest/globals';
import type { Broker } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import { generateSigningJwks, publicJwks, RecordSigner, RecordVerifier } from '@muster/identity';
import type { AgentId, OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS, STREAMS, type OperatorTokenRecord } from '@muster/records';
import { signRecords } from './sign-records.js';

const ORG = 'acme' as OrgId;
const AGENT = 'a'.repeat(24) as AgentId;
const token: OperatorTokenRecord = {
  ...{ tokenId: 't1', org: ORG, name: 'soc', role: 'admin', hash: 'ab', createdBy: 'op', createdAtMs: 0 },
};
const subject = STREAM_SUBJECTS.operatorToken(ORG, 't1');
let broker: Broker;
let keys: Pick<Parameters<typeof signRecords>[0], 'signer' | 'verifier'>;
let lines: string[];

beforeEach(async () => {
  broker = new MemoryBroker().connect();
  await broker.streams.ensure(Object.values(STREAMS));
  const jwks = await generateSigningJwks();
  keys = { signer: new RecordSigner(jwks), verifier: new RecordVerifier(publicJwks(jwks).keys) };
  lines = [];
  await broker.streams.append(subject, encodeRecord(token));
  const by = { by: 'op', atMs: 1 };
  await broker.streams.append(STREAM_SUBJECTS.revoked(ORG, AGENT), encodeRecord({ ...by, reason: 'lost' }));
  await broker.streams.append(STREAM_SUBJECTS.labels(ORG, AGENT), encodeRecord({ ...by, labels: { a: 'b' } }));
  await broker.streams.append(STREAM_SUBJECTS.mode(ORG, AGENT), encodeRecord({ ...by, mode: 'poll', reason: 'quiet' }));
  await broker.streams.append(STREAM_SUBJECTS.firstSession(ORG, AGENT), encodeRecord({ atMs: 1, num: 1 }));
});

const sign = (write: boolean) =>
  signRecords({ streams: broker.streams, ...keys, write, print: (line) => lines.push(line) });
const all = async () => {
  const found: [string, boolean][] = [];
  for (const { name } of [STREAMS.identities, STREAMS.operatorTokens])
    for await (const { subject: one, data } of broker.streams.read(name))
      found.push([one.split('.').slice(2, 5).join('.'), keys.verifier.open(one, data).ok]);
  return found.sort(([a], [b]) => a.localeCompare(b));
};

test('it lists first, signs when it is told to, and then has nothing to do', async () => {
  await sign(false);
  expect(lines[0]).toBe('token t1 of acme: admin "soc", made 1970-01-01T00:00:00.000Z by op');
  expect(lines[1]).toBe('to be signed: 4; signed before: 0; cannot be read: 0');
  expect((await all()).filter(([, signed]) => signed)).toEqual([]);
  await sign(true);
  expect(lines.at(-1)).toBe('signed: 4; signed before: 0; cannot be read: 0');
  expect(await all()).toEqual([
    ['identity.acme.labels', true],
    ['identity.acme.live', false],
    ['identity.acme.mode', true],
    ['identity.acme.revoked', true],
    ['token.acme.t1', true],
  ]);
  await sign(true);
  expect(lines.at(-1)).toBe('signed: 0; signed before: 4; cannot be read: 0');
});

test('what somebody writes meanwhile is signed as it is then, not overwritten', async () => {
  const streams = {
    read: broker.streams.read.bind(broker.streams),
    last: broker.streams.last.bind(broker.streams),
    append: async (...args: Parameters<typeof broker.streams.append>) => {
      if (args[0] === subject && args[2]?.expectLastSubjectSeq === 1)
        await broker.streams.append(subject, encodeRecord({ ...token, revokedAtMs: 5 }));
      return broker.streams.append(...args);
    },
  };
  await signRecords({ streams, ...keys, write: true, print: (line) => lines.push(line) });
  const kept = await broker.streams.last(STREAMS.operatorTokens.name, subject);
  expect(keys.verifier.open(subject, kept!.data)).toEqual({
    ok: true,
    data: encodeRecord({ ...token, revokedAtMs: 5 }),
  });
});
