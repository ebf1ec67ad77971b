import { DirectoryWriter } from '@muster/directory';
import type { AgentId } from '@muster/protocol';
import { trustedProxies } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture, ORG } from './api-fixture.js';
import { WebhookReceiver } from './webhook-receiver.js';

export interface Hook {
  readonly id: string;
  readonly secret: string;
}

export const WITHIN_MS = 40_000;

/** An API with a receiver of webhooks beside it. */
export class WebhookHarness {
  readonly api: ApiFixture;
  readonly receiver: WebhookReceiver;

  private constructor(api: ApiFixture, receiver: WebhookReceiver) {
    this.api = api;
    this.receiver = receiver;
  }

  static async start(): Promise<WebhookHarness> {
    const receiver = new WebhookReceiver();
    await receiver.start();
    const api = await ApiFixture.start({
      webhookNetworks: trustedProxies(['127.0.0.1']),
      ...{ webhookLeaseMs: 1_000, webhookMaxPending: 12 },
    });
    return new WebhookHarness(api, receiver);
  }

  async stop(): Promise<void> {
    await this.api.stop();
    await this.receiver.stop();
  }

  async create(body: object, token?: string): Promise<Hook> {
    const options = { body: { url: this.receiver.url, ...body }, ...(token === undefined ? {} : { token }) };
    const made = await this.api.ask('POST', '/v1/webhooks', options);
    if (made.status !== 201) throw new Error(`the webhook was not made: ${made.status} ${JSON.stringify(made.body)}`);
    return made.body as Hook;
  }

  /** Sends a test event; when it has come, the process that delivers knows the webhook. */
  async ping({ id }: Hook, token?: string): Promise<string> {
    const sent = await this.api.ask('POST', `/v1/webhooks/${id}/test`, token === undefined ? {} : { token });
    if (sent.status !== 202) throw new Error(`no test event: ${sent.status} ${JSON.stringify(sent.body)}`);
    const eventId = sent.body.id as string;
    await eventually(() => this.receiver.of(eventId).length > 0, 'the test event comes', WITHIN_MS);
    return eventId;
  }

  async deliveries({ id }: Hook, query = ''): Promise<Record<string, unknown>[]> {
    return (await this.api.get(`/v1/webhooks/${id}/deliveries${query}`)).body.items as Record<string, unknown>[];
  }

  ofType(type: string) {
    return this.receiver.received.filter((one) => one.type === type);
  }

  revoke(agentId: AgentId) {
    return new DirectoryWriter({ streams: this.api.connection.streams }).revoke(ORG, agentId, {
      ...{ by: 'somebody', reason: 'lost', atMs: Date.now() },
    });
  }
}
