import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from '@jest/globals';
import { connectNats, type Broker } from '@muster/bus';
import { natsAccess, newPassword, servicePassword, startNats, type NatsHandle } from '@muster/local/brokers';
import { BROKER_RIGHTS, brokerPermissions, SUBJECTS, type BrokerUser } from '@muster/messages';
import type { AgentId, OrgId } from '@muster/protocol';
import { BROKER_SUBJECTS, STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';

const USERS = Object.keys(BROKER_RIGHTS) as BrokerUser[];
const ORG = 'acme' as OrgId;
const AGENT = 'a'.repeat(24) as AgentId;
const login = { user: 'muster', password: newPassword() };
const text = (value: string): Uint8Array => Buffer.from(value);

/** One subject for a pattern. */
const example = (pattern: string): string => pattern.replaceAll('*', 'x').replace(/>$/, 'y.z');
/** All subjects of which somebody has the right to one side, and what nobody has. */
const everything = (side: 'publish' | 'subscribe'): string[] => {
  const patterns = USERS.flatMap((user) => brokerPermissions(user, true)[side]);
  const others = ['muster.v1', 'muster.v1.other', '_INBOX.other.a', '$JS.API.STREAM.DELETE.MUSTER_AUDIT'];
  return [...new Set([...patterns.map(example), ...others])].sort();
};

let folder: string;
let server: NatsHandle;
let tools: Broker;
const connections: Broker[] = [];

const connectAs = async (user: BrokerUser, more: object = {}): Promise<Broker> => {
  const url = `nats://${user}:${servicePassword(login, user)}@127.0.0.1:${server.port}`;
  const broker = await connectNats({ servers: [url], name: user, inbox: user, logger: silentLogger, ...more });
  connections.push(broker);
  return broker;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-rights-'));
  server = await startNats({ dataDir: folder, logger: silentLogger, access: natsAccess(login) });
  tools = await connectNats({ servers: [server.url], name: 'tools', logger: silentLogger });
});
afterAll(async () => {
  for (const connection of [...connections, tools]) await connection.stop();
  await server.stop();
  await rm(folder, { recursive: true });
});

describe.each(USERS)('%s', (user) => {
  it('publishes what its rights name, and nothing of another service', async () => {
    const broker = await connectAs(user);
    const heard = new Set<string>();
    const listening = tools.bus.subscribe('>', ({ subject, data }) => {
      if (Buffer.from(data).toString() === user) heard.add(subject);
    });
    await tools.bus.flush();
    const subjects = everything('publish');
    const allowed = new Set(brokerPermissions(user, true).publish.map(example));
    for (const subject of subjects) broker.bus.publish(subject, text(user));
    await broker.bus.flush();
    const isComplete = (): boolean =>
      heard.size >= allowed.size && broker.bus.stats().refused >= subjects.length - allowed.size;
    await eventually(isComplete, 'everything was heard or refused');
    listening.unsubscribe();
    expect([...heard].sort()).toEqual([...allowed].sort());
    expect(broker.bus.stats().refused).toBe(subjects.length - allowed.size);
  }, 60_000);

  it('hears what its rights name, and nothing that is for others', async () => {
    const broker = await connectAs(user);
    const subjects = everything('subscribe');
    const allowed = new Set(brokerPermissions(user).subscribe.map(example));
    const heard = new Set<string>();
    for (const subject of [...subjects, '>', 'muster.v1.>'])
      broker.bus.subscribe(subject, (message) => heard.add(message.subject));
    await broker.bus.flush();
    for (const subject of subjects) tools.bus.publish(subject, text('x'));
    await tools.bus.flush();
    await eventually(() => heard.size >= allowed.size, 'what it may hear');
    await broker.bus.flush();
    expect([...heard].sort()).toEqual([...allowed].sort());
    expect(broker.bus.stats().refused).toBe(subjects.length + 2 - allowed.size);
  }, 60_000);
});

test('with the rights of a gateway JetStream cannot be made to write, move or forget anything', async () => {
  await tools.streams.ensure(Object.values(STREAMS));
  await tools.streams.append(STREAM_SUBJECTS.revoked(ORG, AGENT), text('revoked'));
  const core = await connectAs('query', {
    readers: { streams: BROKER_RIGHTS.gateway.streams, inbox: '_INBOX.gateway.' },
  });
  await core.bus.flush();
  const gateway = await connectAs('gateway', { readers: 'ask' });
  const [name, token] = [STREAMS.identities.name, STREAM_SUBJECTS.operatorToken(ORG, 'evil')];
  const attacks: readonly (readonly [string, object])[] = [
    [
      `CONSUMER.CREATE.${name}`,
      { stream_name: name, config: { deliver_subject: token, deliver_policy: 'all', ack_policy: 'none' } },
    ],
    [
      `CONSUMER.CREATE.${name}.c`,
      { stream_name: name, config: { name: 'c', deliver_subject: token, ack_policy: 'none' } },
    ],
    [
      `CONSUMER.DURABLE.CREATE.${name}.d`,
      { stream_name: name, config: { durable_name: 'd', deliver_subject: token, ack_policy: 'none' } },
    ],
    [`STREAM.UPDATE.${name}`, { ...STREAMS.identities, republish: { src: '>', dest: token } }],
    ['STREAM.CREATE.EVIL', { name: 'EVIL', subjects: ['muster.v1.gateways'] }],
    [`STREAM.PURGE.${name}`, {}],
    [`STREAM.MSG.DELETE.${name}`, { seq: 1 }],
    [`STREAM.DELETE.${name}`, {}],
    [`STREAM.MSG.GET.${STREAMS.operatorTokens.name}`, { last_by_subj: token }],
    [`CONSUMER.MSG.NEXT.${name}.c`, { batch: 1 }],
    [`DIRECT.GET.${name}`, { seq: 1 }],
  ];
  for (const [call, body] of attacks) {
    const asked = gateway.bus.request(`$JS.API.${call}`, text(JSON.stringify(body)), { timeoutMs: 20_000 });
    expect([call, await asked.catch((error: Error) => (error.cause as Error).name)]).toEqual([
      call,
      'PermissionViolationError',
    ]);
  }
  for (const subject of [
    STREAM_SUBJECTS.revoked(ORG, AGENT),
    STREAM_SUBJECTS.mode(ORG, AGENT),
    token,
    SUBJECTS.gateways,
  ]) {
    expect(await gateway.streams.append(subject, text('forged'))).toMatchObject({ kind: 'unavailable' });
  }
  const request = text(JSON.stringify({ stream: STREAMS.operatorTokens.name, subject: '>' }));
  const reader = await gateway.bus.request(BROKER_SUBJECTS.readers, request, { timeoutMs: 20_000 });
  expect(reader.kind === 'reply' && Buffer.from(reader.data).toString()).toMatch(/not a reader/);
  expect(gateway.bus.stats().refused).toBe(attacks.length + 4);
  // What it has to do, it can: an enrolment, and to read what operators have decided.
  expect(
    await gateway.streams.append(STREAM_SUBJECTS.enrolled(ORG, AGENT), text('enrolled'), { expectLastSubjectSeq: 0 }),
  ).toMatchObject({ kind: 'appended' });
  const seen: string[] = [];
  for await (const { data } of gateway.streams.read(name)) seen.push(Buffer.from(data).toString());
  expect(seen).toEqual(['revoked', 'enrolled']);
  expect(await tools.streams.last(STREAMS.operatorTokens.name, token)).toBeUndefined();
}, 120_000);
