import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateSigningJwks, type PrivateJwks } from '@muster/identity';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
import { decodeCbor, type OrgId } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { ENROLL_SECRET, GatewayHarness, ORG, type RunningGateway } from './testing/gateway-harness.js';
import { TestAgent } from './testing/test-agent.js';

const NEXT_SECRET = 'the-next-secret-for-enrolment';

/** Keys and enrolment secrets in a folder, as Kubernetes mounts a Secret: what is there changes by a new target of `..data`. */
class MountedSecrets {
  readonly folder: string;
  #version = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  async put(files: { readonly keys: string; readonly secrets: string }): Promise<void> {
    const version = `..${(this.#version += 1)}`;
    await mkdir(join(this.folder, version));
    await writeFile(join(this.folder, version, 'keys.json'), files.keys);
    await writeFile(join(this.folder, version, 'secrets'), files.secrets);
    await symlink(version, join(this.folder, '..data_tmp'));
    await rename(join(this.folder, '..data_tmp'), join(this.folder, '..data'));
    if (this.#version > 1) return rm(join(this.folder, `..${this.#version - 1}`), { recursive: true });
    for (const name of ['keys.json', 'secrets']) await symlink(join('..data', name), join(this.folder, name));
  }
}

describe('keys and enrolment secrets that change while the gateway runs', () => {
  let harness: GatewayHarness;
  let gateway: RunningGateway;
  let mount: MountedSecrets;
  let next: PrivateJwks;
  const both = (first: PrivateJwks, second: PrivateJwks): string =>
    JSON.stringify({ keys: [...first.keys, ...second.keys] });
  const only = (jwks: PrivateJwks): string => JSON.stringify(jwks);

  beforeAll(async () => {
    harness = await GatewayHarness.open();
    next = await generateSigningJwks();
    mount = new MountedSecrets(await mkdtemp(join(tmpdir(), 'muster-mounted-')));
    await mount.put({ keys: only(harness.jwks), secrets: `${ORG}=${ENROLL_SECRET}` });
    gateway = await harness.startGateway({
      MUSTER_AGENT_TOKEN_KEYS: '',
      MUSTER_ENROLL_SECRETS: '',
      MUSTER_AGENT_TOKEN_KEYS_FILE: join(mount.folder, 'keys.json'),
      MUSTER_ENROLL_SECRETS_FILE: join(mount.folder, 'secrets'),
    });
  });
  afterAll(async () => {
    await harness.close();
    await rm(mount.folder, { recursive: true });
  });

  async function reloads(setting: string, result: string): Promise<number> {
    const text = await (await fetch(`${gateway.healthUrl}/metrics`)).text();
    const name = `muster_gateway_secret_reloads_total{setting="${setting}",result="${result}"} `;
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(name))
        ?.slice(name.length),
    );
  }

  /** Resolves when the gateway has read what was put. */
  async function rotated(setting: string, rotate: () => Promise<void>): Promise<void> {
    const before = await reloads(setting, 'done');
    await rotate();
    await eventually(async () => (await reloads(setting, 'done')) === before + 1, `${setting} is reread`);
  }

  async function enrolled(secret = ENROLL_SECRET): Promise<TestAgent> {
    const agent = new TestAgent();
    expect((await agent.enroll(gateway.url, { secret })).status).toBe(201);
    return agent;
  }

  const kidOf = ({ token }: TestAgent): unknown =>
    (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: unknown }).kid;
  const isReady = async (): Promise<boolean> => (await fetch(`${gateway.healthUrl}/readyz`)).ok;

  it('tokens: the new key verifies, then signs, then is the only one; a broken file in between changes nothing', async () => {
    const [oldKid, newKid] = [harness.jwks.keys[0]?.kid, next.keys[0]?.kid];
    const secrets = `${ORG}=${ENROLL_SECRET}`;
    const old = await enrolled();
    const session = await old.connect(gateway.url);
    await rotated('MUSTER_AGENT_TOKEN_KEYS', () => mount.put({ keys: both(harness.jwks, next), secrets }));
    expect(kidOf(await enrolled())).toBe(oldKid);

    await mount.put({ keys: both(next, harness.jwks).slice(0, 200), secrets });
    await eventually(async () => (await reloads('MUSTER_AGENT_TOKEN_KEYS', 'failed')) > 0);
    expect([kidOf(await enrolled()), await isReady()]).toEqual([oldKid, true]);
    const faults = gateway.process.log.filter(({ msg }) => msg.startsWith('file of a secret cannot be reread'));
    expect(faults).toMatchObject([{ level: 'error', fault: expect.stringContaining('MUSTER_AGENT_TOKEN_KEYS_FILE') }]);

    await rotated('MUSTER_AGENT_TOKEN_KEYS', () => mount.put({ keys: both(next, harness.jwks), secrets }));
    const young = await enrolled();
    expect([kidOf(young), kidOf(old)]).toEqual([newKid, oldKid]);
    for (const agent of [young, old]) (await agent.connect(gateway.url)).close();

    await rotated('MUSTER_AGENT_TOKEN_KEYS', () => mount.put({ keys: only(next), secrets }));
    expect(await old.refusal(gateway.url)).toMatchObject({ status: 401 });
    (await young.connect(gateway.url)).close();
    session.close();
  });

  it('enrolment secrets: the next one beside the old one, then alone; who has enrolled stays enrolled', async () => {
    const keys = only(next);
    const before = await enrolled();
    const refused = await new TestAgent().enroll(gateway.url, { secret: NEXT_SECRET });
    expect(refused.status).toBe(401);
    const pair = `${ORG}=${NEXT_SECRET},${ORG}=${ENROLL_SECRET}`;
    await rotated('MUSTER_ENROLL_SECRETS', () => mount.put({ keys, secrets: pair }));
    await enrolled(NEXT_SECRET);
    await enrolled(ENROLL_SECRET);
    await rotated('MUSTER_ENROLL_SECRETS', () => mount.put({ keys, secrets: `${ORG}=${NEXT_SECRET}` }));
    expect((await new TestAgent().enroll(gateway.url)).status).toBe(401);
    await enrolled(NEXT_SECRET);
    (await before.connect(gateway.url)).close();
  });

  it('says of itself its version, and of an org the names and bounds of its secrets in force, never their texts', async () => {
    const bounded = {
      secret: NEXT_SECRET,
      name: 'branch',
      expires: '2099-01-31',
      maxIdentities: 500,
      labels: { site: 'zrh' },
    };
    const secrets = JSON.stringify({ [ORG]: [bounded], neighbour: ['the-secret-of-the-neighbour'] });
    await rotated('MUSTER_ENROLL_SECRETS', () => mount.put({ keys: only(next), secrets }));
    let id = '';
    const { bus } = harness.broker;
    const subscription = bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
      id = (decodeCbor(data) as { gateway: string }).gateway;
    });
    await eventually(() => id !== '', 'a heartbeat');
    subscription.unsubscribe();
    const question = encodeBusMessage({ t: 'about', org: ORG as OrgId });
    const reply = await bus.request(SUBJECTS.gateway(id as never), question, { timeoutMs: 10_000 });
    const { name, maxIdentities, labels } = bounded;
    expect(reply.kind === 'reply' && decodeCbor(reply.data)).toEqual({
      ...{ t: 'about', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
      secrets: [{ name, expiresAtMs: Date.parse('2099-01-31'), maxIdentities, labels }],
    });
    await rotated('MUSTER_ENROLL_SECRETS', () => mount.put({ keys: only(next), secrets: `${ORG}=${NEXT_SECRET}` }));
  });

  it('sessions over Poll go on while a key is added and moved to the front, and begin anew when theirs is gone', async () => {
    const third = await generateSigningJwks();
    const secrets = `${ORG}=${NEXT_SECRET}`;
    const agent = await enrolled(NEXT_SECRET);
    agent.channel = 'poll';
    const session = await agent.connect(gateway.url);
    await rotated('MUSTER_AGENT_TOKEN_KEYS', () => mount.put({ keys: both(third, next), secrets }));
    expect(session.isOpen).toBe(true);
    await rotated('MUSTER_AGENT_TOKEN_KEYS', () => mount.put({ keys: only(third), secrets }));
    await session.closed;
    expect(await agent.refusal(gateway.url)).toMatchObject({ status: 401 });
  });
});
