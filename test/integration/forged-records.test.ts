import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApiClient } from '@muster/api-client';
import { connectNats, type Broker } from '@muster/bus';
import { mintOperatorToken } from '@muster/identity';
import { decodeCbor, encodeCbor, type AgentId, type OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS, STREAMS, type OperatorTokenRecord } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';

// With one user for all, a gateway that was taken over may write whatever it likes into any stream.

let harness: Harness;
let fleet: Fleet;
let stolen: Broker;
let org: OrgId;
let agentId: AgentId;

beforeAll(async () => {
  harness = await startHarness({ natsRights: 'all' });
  org = harness.stack.org as OrgId;
  fleet = new Fleet({ ...fleetOptions(harness), agents: 1 });
  await fleet.start();
  await fleet.waitFor(() => fleet.count('ready') === 1);
  agentId = fleet.agents[0]!.agentId as AgentId;
  stolen = await connectNats({ servers: [harness.brokers.nats.url], name: 'gateway', logger: silentLogger });
});
afterAll(async () => {
  await stolen.stop();
  await fleet.stop();
  await harness.close();
});

const put = async (subject: string, record: Parameters<typeof encodeRecord>[0]): Promise<void> => {
  expect(await stolen.streams.append(subject, encodeRecord(record))).toMatchObject({ kind: 'appended' });
};
const ignoredBy = async (url: string | undefined, service: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  const name = `muster_${service}_unauthentic_records_total{result="ignored"}`;
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.split(' ')[1],
  );
};
const labels = async () => (await harness.api.call('GET /v1/agents/{id}', { params: { id: agentId } })).labels;

test('what operators write is signed, and reaches gateways and services as before', async () => {
  await harness.api.call('PATCH /v1/agents/{id}/labels', { params: { id: agentId }, body: { set: { env: 'prod' } } });
  await eventually(async () => (await labels())['env'] === 'prod');
  expect(await ignoredBy(harness.stack.gateways[0]?.healthUrl, 'gateway')).toBe(0);
});

test('a token, a label, a mode and a revocation that no API has signed are ignored, counted and audited', async () => {
  const { token, tokenId, hash } = mintOperatorToken();
  const record: OperatorTokenRecord = {
    ...{ tokenId, org, name: 'me', role: 'admin', hash, createdBy: 'me', createdAtMs: Date.now() },
  };
  const atMs = Date.now();
  await put(STREAM_SUBJECTS.operatorToken(org, tokenId), record);
  await put(STREAM_SUBJECTS.labels(org, agentId), { labels: { env: 'evil' }, by: 'me', atMs });
  await put(STREAM_SUBJECTS.mode(org, agentId), { mode: 'poll', reason: 'quiet', by: 'me', atMs });
  await put(STREAM_SUBJECTS.revoked(org, agentId), { by: 'me', reason: 'gone', atMs });
  const { gateways, queries, apis } = harness.stack;
  await eventually(async () => (await ignoredBy(gateways[0]?.healthUrl, 'gateway')) === 3);
  await eventually(async () => (await ignoredBy(queries[0]?.healthUrl, 'query')) === 3);
  await eventually(async () => (await ignoredBy(apis[0]?.healthUrl, 'api')) === 4);
  const mine = new ApiClient({ url: harness.stack.apiUrl, token });
  await expect(mine.call('GET /v1/me')).rejects.toMatchObject({ status: 401 });
  const agent = await harness.api.call('GET /v1/agents/{id}', { params: { id: agentId } });
  expect(agent).toMatchObject({ labels: { env: 'prod' }, mode: 'live' });
  expect(agent.revoked).toBeUndefined();
  expect(fleet.count('ready')).toBe(1);
  const records = await eventually(async () => {
    const found = await harness.api.all('GET /v1/audit', { query: { action: 'record.ignore' } });
    return found.length === 4 ? found : undefined;
  });
  expect(records.map(({ subject, code }) => `${subject} ${code}`).sort()).toEqual(
    [
      STREAM_SUBJECTS.operatorToken(org, tokenId),
      ...[STREAM_SUBJECTS.labels, STREAM_SUBJECTS.mode, STREAM_SUBJECTS.revoked].map((one) => one(org, agentId)),
    ]
      .map((subject) => `${subject} unsigned`)
      .sort(),
  );
}, 120_000);

test('a signed token of one id is not another one, and what was signed is not valid when it is changed', async () => {
  const made = await harness.api.call('POST /v1/tokens', { body: { name: 'viewer', role: 'viewer' } });
  const subject = STREAM_SUBJECTS.operatorToken(org, made.tokenId);
  const entry = await eventually(() => stolen.streams.last(STREAMS.operatorTokens.name, subject));
  const raised = encodeCbor({ ...(decodeCbor(entry.data) as object), role: 'admin' });
  expect(await stolen.streams.append(subject, raised)).toMatchObject({ kind: 'appended' });
  const url = harness.stack.apis[0]?.healthUrl;
  await eventually(async () => (await ignoredBy(url, 'api')) === 5);
  const viewer = new ApiClient({ url: harness.stack.apiUrl, token: made.token });
  expect(await viewer.call('GET /v1/me')).toMatchObject({ role: 'viewer' });
}, 120_000);
