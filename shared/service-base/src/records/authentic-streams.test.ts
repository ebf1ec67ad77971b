import { beforeEach, describe, expect, test } from '@jest/globals';
import type { StreamStore } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import { generateSigningJwks, publicJwks, RecordSigner, RecordVerifier } from '@muster/identity';
import type { AgentId, OrgId } from '@muster/protocol';
import { decodeRecord, encodeRecord, STREAM_SUBJECTS, STREAMS, type LabelsRecord } from '@muster/records';
import { AuthenticStreams, type UnauthenticRecord } from './authentic-streams.js';

const ORG = 'acme' as OrgId;
const AGENT = 'a'.repeat(24) as AgentId;
const OTHER = 'b'.repeat(24) as AgentId;
const LABELS = STREAM_SUBJECTS.labels(ORG, AGENT);
const STREAM = STREAMS.identities.name;
const labels = (value: string) => encodeRecord({ labels: { env: value }, by: 'op', atMs: 1 });
const valueOf = (data: Uint8Array | undefined) =>
  data === undefined ? undefined : decodeRecord<LabelsRecord>(data).labels['env'];

let plain: StreamStore;
let api: StreamStore;
let gateway: StreamStore;
let lenient: StreamStore;
let faults: UnauthenticRecord[];

beforeEach(async () => {
  const broker = new MemoryBroker();
  plain = broker.connect().streams;
  await plain.ensure(Object.values(STREAMS));
  const jwks = await generateSigningJwks();
  const verifier = new RecordVerifier(publicJwks(jwks).keys);
  faults = [];
  const options = { streams: plain, verifier, onFault: (fault: UnauthenticRecord) => faults.push(fault) };
  api = new AuthenticStreams({ ...options, signer: new RecordSigner(jwks), unsigned: 'refuse' });
  gateway = new AuthenticStreams({ ...options, unsigned: 'refuse' });
  lenient = new AuthenticStreams({ ...options, unsigned: 'accept' });
});

async function seen(streams: StreamStore): Promise<string[]> {
  const subjects: string[] = [];
  for await (const { subject } of streams.read(STREAM))
    subjects.push(subject.split('.').slice(4).join('.').slice(0, 8));
  return subjects;
}

test('what an API writes is believed by all, and read as it was written', async () => {
  await api.append(LABELS, labels('prod'));
  expect((await gateway.last(STREAM, LABELS))?.data).toEqual(labels('prod'));
  expect(await seen(gateway)).toEqual(['labels.a']);
  expect(faults).toEqual([]);
});

describe('what nobody has signed', () => {
  test('is left out by kind: decisions need a signature, what gateways report needs none', async () => {
    await plain.append(LABELS, labels('evil'));
    await plain.append(STREAM_SUBJECTS.revoked(ORG, AGENT), encodeRecord({ by: 'x', reason: '', atMs: 1 }));
    await plain.append(STREAM_SUBJECTS.mode(ORG, AGENT), encodeRecord({ mode: 'poll', reason: '', by: 'x', atMs: 1 }));
    await plain.append(STREAM_SUBJECTS.firstSession(ORG, AGENT), encodeRecord({ atMs: 1, num: 1 }));
    expect(await seen(gateway)).toEqual(['live.aaa']);
    expect(faults.map(({ reason, accepted }) => [reason, accepted])).toEqual(Array(3).fill(['unsigned', false]));
    const tokens: unknown[] = [];
    await plain.append(STREAM_SUBJECTS.operatorToken(ORG, 'evil'), encodeRecord({ atMs: 1, num: 1 }));
    for await (const entry of gateway.read(STREAMS.operatorTokens.name)) tokens.push(entry);
    await plain.append(STREAM_SUBJECTS.session(ORG, 'evil'), encodeRecord({ atMs: 1, num: 1 }));
    for await (const entry of gateway.read(STREAMS.sessions.name)) tokens.push(entry);
    expect(tokens).toEqual([]);
  });

  test('is left out when it was signed for another agent, or changed', async () => {
    await api.append(LABELS, labels('prod'));
    const { data } = (await plain.last(STREAM, LABELS))!;
    await plain.append(STREAM_SUBJECTS.labels(ORG, OTHER), data);
    expect(await seen(gateway)).toEqual(['labels.a']);
    expect(await gateway.last(STREAM, STREAM_SUBJECTS.labels(ORG, OTHER))).toBeUndefined();
    expect(faults.map(({ reason }) => reason)).toEqual(['bad_signature', 'bad_signature']);
  });

  test('does not keep an operator from deciding: the next signed record takes its place', async () => {
    await plain.append(LABELS, labels('evil'));
    expect(await api.last(STREAM, LABELS)).toBeUndefined();
    expect(await api.append(LABELS, labels('prod'), { expectLastSubjectSeq: 0 })).toMatchObject({ kind: 'appended' });
    expect(valueOf((await gateway.last(STREAM, LABELS))?.data)).toBe('prod');
    expect(await api.append(LABELS, labels('late'), { expectLastSubjectSeq: 0 })).toMatchObject({ kind: 'conflict' });
  });

  test('is taken until the migration was told, and each is counted', async () => {
    await plain.append(LABELS, labels('old'));
    expect(valueOf((await lenient.last(STREAM, LABELS))?.data)).toBe('old');
    expect(await seen(lenient)).toEqual(['labels.a']);
    expect(faults.map(({ accepted }) => accepted)).toEqual([true, true]);
    await plain.append(LABELS, new Uint8Array([0xff]));
    expect(await lenient.last(STREAM, LABELS)).toBeUndefined();
  });
});
