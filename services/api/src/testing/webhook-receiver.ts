import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedDelivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly id: string;
  readonly type: string;
}

/** A system that takes webhooks, as a test wants. */
export class WebhookReceiver {
  readonly received: ReceivedDelivery[] = [];
  /** Answers; may not answer at all. */
  answer: (response: ServerResponse, delivery: ReceivedDelivery) => void = (response) => response.writeHead(204).end();
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { headers } = request;
      const [id, type] = [String(headers['muster-event-id']), String(headers['muster-event-type'])];
      const delivery = { headers, body: Buffer.concat(chunks).toString('utf8'), id, type };
      this.received.push(delivery);
      this.answer(response, delivery);
    });
  });

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  of(id: string): ReceivedDelivery[] {
    return this.received.filter((delivery) => delivery.id === id);
  }
}

/** What `docs/operations.md` tells receivers to do. */
export function isSigned({ headers, body }: ReceivedDelivery, secret: string, nowMs = Date.now()): boolean {
  const [, seconds = '', v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['muster-signature'])) ?? [];
  const expected = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return v1 === expected && Math.abs(nowMs / 1_000 - Number(seconds)) < 300;
}
