import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Directory, DirectoryWriter } from '@muster/directory';
import { CLOSE, type OrgId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { GatewayHarness, ORG, type RunningGateway } from './testing/gateway-harness.js';
import { TestAgent } from './testing/test-agent.js';

const SECRETS = {
  few: 'a-secret-for-three-0123',
  gone: 'a-secret-that-expired-0123',
  slow: 'a-secret-for-slow-ones-0123',
  site: 'a-secret-for-a-site-0123',
} as const;
const ENV = {
  MUSTER_ENROLL_SECRETS: JSON.stringify({
    [ORG]: [
      'a-secret-for-enrolment',
      { secret: SECRETS.few, name: 'few', maxIdentities: 3 },
      { secret: SECRETS.gone, name: 'gone', expires: '2026-01-01' },
      { secret: SECRETS.slow, name: 'slow', perMinute: 4 },
      { secret: SECRETS.site, name: 'site', labels: { site: 'zrh' } },
    ],
    small: 'a-secret-for-a-small-org',
  }),
};

describe('enrolment', () => {
  let harness: GatewayHarness;
  let gateway: RunningGateway;
  let directory: Directory;
  let writer: DirectoryWriter;

  beforeAll(async () => {
    harness = await GatewayHarness.open();
    gateway = await harness.startGateway(ENV);
    const { streams } = harness.broker;
    directory = new Directory({ streams, logger: silentLogger });
    writer = new DirectoryWriter({ streams });
    await directory.start();
  });
  afterAll(async () => {
    await directory.stop();
    await harness.close();
  });

  const known = (agent: TestAgent) => directory.byId(ORG as OrgId, agent.agentId);

  async function codeOf(response: Response): Promise<unknown> {
    const { code, detail } = (await response.json()) as { code: string; detail: string };
    return [response.status, code, detail];
  }

  it('stops at the number of identities of a secret, at every gateway and after a restart; who is known still enrols', async () => {
    const other = await harness.startGateway(ENV);
    const agents = Array.from({ length: 3 }, () => new TestAgent());
    const replies = await Promise.all(agents.map((agent) => agent.enroll(gateway.url, { secret: SECRETS.few })));
    expect(replies.map(({ status }) => status)).toEqual([201, 201, 201]);
    await eventually(() => agents.every((agent) => known(agent) !== undefined));
    const started = await harness.startGateway(ENV);
    for (const { url } of [gateway, other, started]) {
      const refused = await new TestAgent().enroll(url, { secret: SECRETS.few });
      expect(await codeOf(refused)).toEqual([401, 'enrolment_refused', expect.stringContaining('as many identities')]);
      expect((await agents[0]!.enroll(url, { secret: SECRETS.few })).status).toBe(200);
    }
    const metrics = await (await fetch(`${started.healthUrl}/metrics`)).text();
    expect(metrics).toMatch(/^muster_gateway_enrolment_fill_ratio\{bound="secret"\} 1$/m);
    expect(metrics).toMatch(/^muster_gateway_enrolment_refusals_total\{reason="secret_full"\} 1$/m);
  });

  it('gives the place of a removed identity to another one', async () => {
    const agent = directory.all()[Symbol.iterator]().next().value;
    if (agent?.secret !== 'few') throw new Error('the test before this one leaves three identities');
    expect(await writer.remove(agent, { atMs: Date.now(), why: 'never_live' })).toEqual({ kind: 'removed' });
    await eventually(async () => (await new TestAgent().enroll(gateway.url, { secret: SECRETS.few })).status === 201);
    expect((await new TestAgent().enroll(gateway.url, { secret: SECRETS.few })).status).toBe(401);
  });

  it('is exact, however many come to however many gateways at once', async () => {
    const secret = 'a-secret-for-a-crowd-0123';
    const crowd = { secret, name: 'crowd', maxIdentities: 7 };
    const env = { MUSTER_ENROLL_SECRETS: JSON.stringify({ [ORG]: crowd }) };
    const gateways = await Promise.all([1, 2, 3].map(() => harness.startGateway(env)));
    const agents = gateways.flatMap(({ url }) => Array.from({ length: 20 }, () => ({ url, agent: new TestAgent() })));
    const replies = await Promise.all(agents.map(({ agent, url }) => agent.enroll(url, { secret })));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201, 401]));
    const accepted = replies.filter(({ status }) => status === 201).length;
    expect(accepted).toBe(7);
    const count = () => [...directory.all()].filter((endpoint) => endpoint.secret === 'crowd').length;
    await eventually(() => count() === 7);
  });

  it('stops at the number of identities of an org', async () => {
    const full = await harness.startGateway({ ...ENV, MUSTER_GATEWAY_ORG_IDENTITIES: '1' });
    const refused = await new TestAgent().enroll(full.url, { secret: SECRETS.site });
    expect(await codeOf(refused)).toEqual([401, 'enrolment_refused', expect.stringContaining('the org')]);
  });

  it('refuses a secret that has expired', async () => {
    const refused = await new TestAgent().enroll(gateway.url, { secret: SECRETS.gone });
    expect(await codeOf(refused)).toEqual([401, 'enrolment_refused', 'the enrolment secret has expired']);
  });

  it('keeps to the rate of a secret, of which one address gets half', async () => {
    const enrol = async (from: string) =>
      (await Object.assign(new TestAgent(), { from }).enroll(gateway.url, { secret: SECRETS.slow })).status;
    const statuses: number[] = [];
    for (const from of ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.2', '127.0.0.3']) {
      statuses.push(await enrol(from));
    }
    expect(statuses).toEqual([201, 201, 429, 201, 201, 429]);
    expect((await new TestAgent().enroll(gateway.url)).status).toBe(201);
  });

  it("gives the labels of its secret, which win over the agent's own, and which operators can change", async () => {
    const agent = Object.assign(new TestAgent(), { labels: { site: 'gva', env: 'prod' } });
    await agent.enroll(gateway.url, { secret: SECRETS.site });
    await eventually(() => known(agent)?.labels['site'] === 'zrh');
    expect(known(agent)).toMatchObject({ labels: { site: 'zrh', env: 'prod' }, secret: 'site' });
    await writer.setLabels(ORG as OrgId, agent.agentId, { labels: { site: 'bsl' }, by: 'op', atMs: 1 });
    await eventually(() => known(agent)?.labels['site'] === 'bsl');
    await agent.enroll(gateway.url, { secret: SECRETS.site });
    const welcomed = await agent.connect(gateway.url);
    expect(welcomed.welcome?.labels).toEqual({ site: 'bsl', env: 'prod' });
    welcomed.close();
  });

  it.each(['live', 'poll'] as const)('is needed again after an identity was removed, over %s', async (channel) => {
    const agent = Object.assign(new TestAgent(), { channel });
    await agent.enroll(gateway.url);
    const session = await agent.connect(gateway.url);
    await eventually(() => known(agent)?.firstLiveAtMs !== undefined);
    const { num: formerNum, token: formerToken } = agent;
    await writer.remove(
      { org: ORG as OrgId, agentId: agent.agentId, num: formerNum },
      { atMs: Date.now(), why: 'never_live' },
    );
    expect(await session.closed).toBe(CLOSE.unauthenticated.code);
    expect(await agent.refusal(gateway.url)).toMatchObject({ status: 401, code: 'unauthenticated' });
    // A gateway that starts now knows it too.
    const started = await harness.startGateway(ENV);
    expect(await agent.refusal(started.url)).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect((await agent.enroll(gateway.url)).status).toBe(201);
    expect(agent.num).toBeGreaterThan(formerNum);
    (await agent.connect(gateway.url)).close();
    for (const { url } of [gateway, started, await harness.startGateway(ENV)]) {
      await eventually(
        async () => (await Object.assign(new TestAgent(), agent, { token: formerToken }).refusal(url)).status === 401,
      );
    }
  });

  it('of a revoked identity stays refused until the revocation is forgotten', async () => {
    const agent = new TestAgent();
    await agent.enroll(gateway.url);
    const identity = { org: ORG as OrgId, agentId: agent.agentId, num: agent.num };
    await writer.revoke(identity.org, agent.agentId, { by: 'op', reason: 'stolen', atMs: Date.now() });
    await eventually(async () => (await agent.enroll(gateway.url)).status === 403);
    // Removed for another reason at the same time: the revocation stays.
    await writer.remove(identity, { atMs: Date.now(), why: 'never_live' });
    await eventually(() => known(agent) === undefined);
    expect((await agent.enroll(gateway.url)).status).toBe(403);
    expect((await agent.enroll((await harness.startGateway(ENV)).url)).status).toBe(403);
  });
});
