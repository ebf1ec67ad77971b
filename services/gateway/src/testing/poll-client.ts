import { once } from 'node:events';
import { Agent, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';

export interface PollAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Decompressed. */
  readonly body: Buffer;
}

export interface PollAsk {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** Requests to `/v1/poll`. */
export class PollClient {
  readonly #agent: Agent;

  constructor(from?: string) {
    this.#agent = new Agent({ keepAlive: true, localAddress: from });
  }

  async ask(url: string, { method, headers = {}, body }: PollAsk): Promise<PollAnswer> {
    const sent = request(`http://${url}/v1/poll`, {
      method,
      agent: this.#agent,
      headers: { ...headers, ...(method === 'POST' ? { 'content-length': String(body?.length ?? 0) } : {}) },
    });
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const bytes = Buffer.concat((await response.toArray()) as Buffer[]);
    const isPacked = response.headers['content-encoding'] === 'gzip';
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: isPacked ? gunzipSync(bytes) : bytes,
    };
  }

  stop(): void {
    this.#agent.destroy();
  }
}
