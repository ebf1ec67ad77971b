import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { signEnrollProof } from '@muster/identity';
import { fullJitter } from '@muster/runtime';
import type { Trust } from '../commands/command-verifier.js';
import type { Machine } from '../machine/machine.js';
import { type Identity, simulatedKey } from '../agent/identity.js';

export interface EnrolmentOptions {
  /** `http:` or `https:` URL of the gateway. */
  readonly gateway: string;
  /** PEM of the CA that the gateway's certificate must come from. */
  readonly ca?: string;
  readonly org: string;
  readonly secret: string;
  readonly seed: number;
  /** Requests under way at once. */
  readonly parallel: number;
}

/** Attempts of one agent before the whole start fails. */
const ATTEMPTS = 12;
const REQUEST_TIMEOUT_MS = 15_000;

/** Enrols agents over a few keep-alive connections. */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #url: URL;
  readonly #pool: HttpAgent | HttpsAgent;
  /** Roots by their JSON: agents that got the same ones share the object. */
  readonly #trusts = new Map<string, Trust>();

  constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.#url = new URL('/v1/enroll', options.gateway);
    const pool = { keepAlive: true, maxSockets: options.parallel };
    this.#pool =
      this.#url.protocol === 'https:'
        ? new HttpsAgent({ ...pool, ...(options.ca !== undefined && { ca: options.ca }) })
        : new HttpAgent(pool);
  }

  /** Enrols one agent. Retries when the gateway is busy; throws when it refuses. */
  async enrol(machine: Machine): Promise<Identity> {
    const { org, seed } = this.#options;
    const { privateKey, publicKeyX } = simulatedKey(seed, machine.index);
    const backoff = fullJitter({ baseMs: 200, capMs: 10_000 });
    for (;;) {
      const timestampMs = Date.now();
      const proof = signEnrollProof(privateKey, { org, publicKeyX, timestampMs });
      const body = { org, publicKey: publicKeyX, timestampMs, proof, facts: machine.facts, labels: machine.labels };
      const reply = await this.#post(JSON.stringify(body));
      if (reply.status === 200 || reply.status === 201) return this.#readIdentity(reply.text, publicKeyX);
      const later = reply.status === 429 || reply.status >= 500 || reply.status === 0;
      if (!later || backoff.attempt >= ATTEMPTS) {
        throw new Error(`agent ${machine.index} cannot enrol: ${reply.status} ${reply.text.slice(0, 300)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, backoff.next(reply.retryAfterMs)));
    }
  }

  stop(): void {
    this.#pool.destroy();
  }

  #readIdentity(text: string, publicKeyX: string): Identity {
    const reply = JSON.parse(text) as Omit<Partial<Identity>, 'trust'> & { readonly trust?: { readonly keys?: Trust } };
    const { agentId, num, token, expiresAtMs } = reply;
    if (typeof agentId !== 'string' || typeof num !== 'number' || typeof token !== 'string') {
      throw new TypeError(`the gateway's answer to an enrolment is not understood: ${text.slice(0, 300)}`);
    }
    const trust = this.#shared(reply.trust?.keys ?? []);
    return { agentId, num, token, expiresAtMs: expiresAtMs ?? 0, publicKeyX, trust };
  }

  #shared(trust: Trust): Trust {
    const text = JSON.stringify(trust);
    const known = this.#trusts.get(text) ?? trust;
    this.#trusts.set(text, known);
    return known;
  }

  #post(body: string): Promise<{ status: number; retryAfterMs: number; text: string }> {
    return new Promise((resolve) => {
      const failed = (error: Error): void => resolve({ status: 0, retryAfterMs: 0, text: error.message });
      const headers = {
        authorization: `Bearer ${this.#options.secret}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      };
      const send = this.#url.protocol === 'https:' ? requestHttps : requestHttp;
      const request = send(this.#url, { method: 'POST', agent: this.#pool, headers, timeout: REQUEST_TIMEOUT_MS });
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', failed);
      request.on('response', (response: IncomingMessage) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => (text += piece));
        response.on('error', failed);
        response.on('end', () => {
          const retryAfterMs = Number(response.headers['retry-after'] ?? 0) * 1000 || 0;
          resolve({ status: response.statusCode ?? 0, retryAfterMs, text });
        });
      });
      request.end(body);
    });
  }
}
