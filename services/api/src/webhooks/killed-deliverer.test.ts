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

const start = () => harness.startApi({ MUSTER_API_WEBHOOK_NETWORKS: '127.0.0.1' });
const delivers = async (api: ApiProcess): Promise<boolean> =>
  /^muster_api_webhook_deliverer 1$/m.test((await api.health('/metrics')).text);

test(
  'what a killed API was delivering, and what happened meanwhile, comes from another API; nothing that was taken comes again',
  async () => {
    const [first, second] = [await start(), await start()];
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
