import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { ApiHarness, type ApiProcess } from '../testing/api-harness.js';
import { isSigned, WebhookReceiver } from '../testing/webhook-receiver.js';

const WITHIN_MS = 120_000;
let harness: ApiHarness;
const receiver = new WebhookReceiver();

beforeAll(async () => {
  await receiver.start();
  harness = await ApiHarness.open();
}, WITHIN_MS);
afterAll(async () => {
  await harness.close();
  await receiver.stop();
}, WITHIN_MS);

/** Those that the first test leaves. */
const running: ApiProcess[] = [];

const start = () => harness.startApi({ MUSTER_API_WEBHOOK_NETWORKS: '127.0.0.1' });
const delivers = async (api: ApiProcess): Promise<boolean> =>
  /^muster_api_webhook_deliverer 1$/m.test((await api.health('/metrics')).text);

test(
  'what a killed API was delivering, and what happened meanwhile, comes from another API; nothing that was taken comes again',
  async () => {
    const [first, second] = [await start(), await start()];
    running.push(first, second);
    await eventually(async () => (await delivers(first)) || (await delivers(second)), 'one delivers', WITHIN_MS);
    const [leader, other] = (await delivers(first)) ? [first, second] : [second, first];
    expect(await delivers(other)).toBe(false);

    const body = { url: receiver.url, events: ['audit.recorded'] };
    const made = JSON.parse((await other.ask('POST', '/v1/webhooks', { body })).text) as { id: string; secret: string };
    const ping = async (api: ApiProcess): Promise<string> => {
      const sent = await api.ask('POST', `/v1/webhooks/${made.id}/test`);
      return (JSON.parse(sent.text) as { id: string }).id;
    };
    const taken = await ping(other);
    const state = async (id: string): Promise<string | undefined> => {
      const { items } = JSON.parse((await other.ask('GET', `/v1/webhooks/${made.id}/deliveries`)).text) as {
        items: { id: string; state: string }[];
      };
      return items.find((item) => item.id === id)?.state;
    };
    await eventually(async () => (await state(taken)) === 'delivered', 'the first is taken', WITHIN_MS);

    // The receiver does not answer: the delivery is under way when its process dies.
    let hang = true;
    receiver.answer = (response) => {
      if (!hang) response.writeHead(200).end();
    };
    const underWay = await ping(other);
    await eventually(() => receiver.of(underWay).length === 1, 'it is under way', WITHIN_MS);
    await leader.process.kill();
    running.splice(running.indexOf(leader), 1);
    hang = false;
    const token = await other.ask('POST', '/v1/tokens', { body: { name: 'meanwhile', role: 'viewer' } });
    expect(token.status).toBe(201);
    const meanwhile = await ping(other);

    await eventually(() => delivers(other), 'the other one delivers', WITHIN_MS);
    const isToken = (text: string): boolean =>
      (JSON.parse(text) as { data: { action?: string } }).data.action === 'token.create';
    await eventually(
      () =>
        receiver.of(underWay).length >= 2 &&
        receiver.of(meanwhile).length >= 1 &&
        receiver.received.some((one) => isToken(one.body)),
      'all of it has come',
      WITHIN_MS,
    );
    await eventually(async () => (await state(underWay)) === 'delivered', 'it is kept', WITHIN_MS);
    expect(receiver.of(taken)).toHaveLength(1);
    expect(receiver.received.every((one) => isSigned(one, made.secret))).toBe(true);
    // Audit records that came before the kill came once, too.
    expect(receiver.received.filter((one) => isToken(one.body))).toHaveLength(1);
  },
  4 * WITHIN_MS,
);

test(
  'a frozen API that delivers is replaced, and when it goes on it delivers nothing any more',
  async () => {
    const apis = [await start(), await start()];
    receiver.answer = (response) => response.writeHead(200).end();
    // The one of the test before delivers, where it ran.
    const all = [...running, ...apis];
    const holder = await eventually(
      async () => {
        for (const api of all) if (await delivers(api)) return api;
        return undefined;
      },
      'one delivers',
      WITHIN_MS,
    );
    const others = all.filter((api) => api !== holder);
    const body = { url: receiver.url, events: ['agent.enrolled'] };
    const made = JSON.parse((await apis[0]!.ask('POST', '/v1/webhooks', { body })).text) as { id: string };
    const caller = others[0]!;
    const ping = async (): Promise<string> => {
      const sent = await caller.ask('POST', `/v1/webhooks/${made.id}/test`);
      return (JSON.parse(sent.text) as { id: string }).id;
    };
    const isDelivered = async (id: string): Promise<boolean> => {
      const { text } = await caller.ask('GET', `/v1/webhooks/${made.id}/deliveries?state=delivered`);
      return (JSON.parse(text) as { items: { id: string }[] }).items.some((item) => item.id === id);
    };
    const before = await ping();
    await eventually(() => isDelivered(before), 'it is delivered', WITHIN_MS);

    holder.process.freeze();
    const meanwhile = await ping();
    await eventually(() => isDelivered(meanwhile), 'another one delivers', WITHIN_MS);
    holder.process.resume();
    await eventually(async () => !(await delivers(holder)), 'it finds out', WITHIN_MS);
    const holders = await Promise.all(others.map(delivers));
    expect(holders.filter(Boolean)).toHaveLength(1);

    const after = [await ping(), await ping(), await ping()];
    for (const id of after) await eventually(() => isDelivered(id), 'it is delivered', WITHIN_MS);
    // What was delivered before it went on it reads as delivered; what came after it had lost the lease is not its own.
    expect([before, meanwhile, ...after].map((id) => receiver.of(id).length)).toEqual([1, 1, 1, 1, 1]);
    expect(await delivers(holder)).toBe(false);
  },
  4 * WITHIN_MS,
);
