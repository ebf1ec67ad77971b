import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { ENROLL_SECRET, GatewayHarness, ORG, type RunningGateway } from './testing/gateway-harness.js';
import { Flood, UPGRADE, type FloodRequest } from './testing/flood.js';
import { TestAgent } from './testing/test-agent.js';

const CHANNELS = ['live', 'poll'] as const;
/** Addresses of the attackers; the honest agents use the first one too. */
const EVERYWHERE = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'];
const ELSEWHERE = EVERYWHERE.slice(1);
/** Far below what a flood sends in a second, so that a limit it shares with honest agents would be empty all the time. */
const UPGRADE_RATES = { MUSTER_GATEWAY_UPGRADE_RATE: '50', MUSTER_GATEWAY_UPGRADE_BURST: '50' };
const ENROLL_RATES = { MUSTER_GATEWAY_ENROLL_RATE: '50', MUSTER_GATEWAY_ENROLL_BURST: '50' };

const upgrade = (token?: string): FloodRequest => ({
  method: 'GET',
  path: '/v1/live',
  headers: { ...UPGRADE, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
});

const openPoll = (token?: string): FloodRequest => ({
  method: 'POST',
  path: '/v1/poll',
  headers: { 'content-length': '0', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
});

const enrol = (secret: string): FloodRequest => {
  const facts = { host: 'h', os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' };
  const body = JSON.stringify({
    ...{ org: ORG, publicKey: Buffer.alloc(32, 1).toString('base64url'), timestampMs: Date.now() },
    ...{ proof: Buffer.alloc(64, 1).toString('base64url'), facts },
  });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return { method: 'POST', path: '/v1/enroll', headers: { ...headers, authorization: `Bearer ${secret}` }, body };
};

/** A token as good as a real one, but for its signature. */
const forged = (token: string): string => `${token.slice(0, -20)}${'A'.repeat(19)}Q`;

for (const transport of ['uws', 'ws'] as const) {
  describe(`a flood against a gateway over ${transport}`, () => {
    let harness: GatewayHarness;
    let gateway: RunningGateway;
    let victim: TestAgent;

    beforeAll(async () => {
      harness = await GatewayHarness.open();
      gateway = await harness.startGateway({ MUSTER_GATEWAY_TRANSPORT: transport, ...UPGRADE_RATES });
      victim = new TestAgent();
      await victim.enroll(gateway.url);
    });
    afterAll(() => harness.close());

    /** Ten agents enrol and connect, five over each channel, each with one attempt. */
    async function tenGetIn({ url } = gateway): Promise<void> {
      const agents = Array.from({ length: 10 }, (_, i) => {
        return Object.assign(new TestAgent(), { channel: CHANNELS[i % 2], from: '127.0.0.1' });
      });
      for (const agent of agents) expect((await agent.enroll(url)).status).toBe(201);
      for (const agent of agents) (await agent.connect(url)).close();
    }

    it.each([
      ['upgrades without a token', EVERYWHERE, () => upgrade()],
      ['upgrades with a text for a token', EVERYWHERE, () => upgrade('no.real.token')],
      ['upgrades with a false signature', ELSEWHERE, () => upgrade(forged(victim.token))],
      ['polls without a token', EVERYWHERE, () => openPoll()],
      ['polls with a false signature', ELSEWHERE, () => openPoll(forged(victim.token))],
    ] as const)('of %s keeps no honest agent out', async (_what, from, next) => {
      const flood = new Flood(gateway.url, { from, senders: 4, next });
      try {
        await eventually(() => flood.total > 400);
        await tenGetIn();
        expect(flood.count(401, 429)).toBe(flood.total);
      } finally {
        await flood.stop();
      }
    });

    it.each([
      ['without a valid secret', EVERYWHERE, 401, () => enrol('a-secret-that-is-not-one')],
      ['with a secret that leaked, from one address,', ['127.0.0.9'], 401, () => enrol(ENROLL_SECRET)],
    ] as const)('of enrolments %s leaves a part of the rate to others', async (_what, from, heard, next) => {
      // A gateway of its own: on a fast machine other cases would have emptied these rates.
      const small = await harness.startGateway({ MUSTER_GATEWAY_TRANSPORT: transport, ...ENROLL_RATES });
      const flood = new Flood(small.url, { from, senders: 4, next });
      try {
        await eventually(() => flood.count(429) > 100);
        await tenGetIn(small);
        expect(flood.count(heard, 429)).toBe(flood.total);
      } finally {
        await flood.stop();
      }
    });

    describe.each(CHANNELS)('with a stolen token, while its owner connects over %s', (channel) => {
      it.each([
        ['from other addresses', { from: ELSEWHERE }],
        ['from the address of its owner, as many as that has', { from: ['127.0.0.1'], pauseMs: 200 }],
      ])('%s, keeps neither the owner nor others out', async (_where, how) => {
        const owner = Object.assign(new TestAgent(), { channel, from: '127.0.0.1' });
        expect((await owner.enroll(gateway.url)).status).toBe(201);
        const flood = new Flood(gateway.url, { ...how, senders: 2, next: () => upgrade(owner.token) });
        try {
          await eventually(() => flood.count(101) >= 20);
          await eventually(async () => {
            (await owner.connect(gateway.url)).close();
            return true;
          });
          await tenGetIn();
        } finally {
          await flood.stop();
        }
      });

      it('however fast it is, the owner gets in at once with a proof of the key', async () => {
        const owner = Object.assign(new TestAgent(), { channel, from: '127.0.0.1', proves: true });
        expect((await owner.enroll(gateway.url)).status).toBe(201);
        const flood = new Flood(gateway.url, { from: ['127.0.0.1'], senders: 12, next: () => upgrade(owner.token) });
        try {
          await eventually(() => flood.count(429) >= 100);
          for (let i = 0; i < 5; i += 1) (await owner.connect(gateway.url)).close();
        } finally {
          await flood.stop();
        }
      });
    });
  });
}
