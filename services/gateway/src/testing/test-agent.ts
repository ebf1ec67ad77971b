import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  agentIdFromPublicKey,
  exportAgentKeys,
  generateAgentKeys,
  signEnrollProof,
  type AgentKeys,
} from '@muster/identity';
import {
  decodeBody,
  FRAME,
  type AgentId,
  type Facts,
  type HelloBody,
  type Labels,
  SUBPROTOCOL,
  type SessionMode,
} from '@muster/protocol';
import { LiveSession } from './live-session.js';
import { PollSession } from './poll-session.js';
import { refusedPoll, refusedUpgrade, type Refusal } from './refusals.js';
import { ENROLL_SECRET, ORG } from './gateway-harness.js';
import type { TestSession } from './test-session.js';

export const FACTS: Facts = {
  host: 'host-1',
  os: 'linux',
  arch: 'x64',
  osName: 'Debian GNU/Linux',
  osVersion: '12',
  agentVersion: '0.1.0',
};

/** An agent that a test drives: it only answers the challenge by itself. */
export class TestAgent {
  readonly keys: AgentKeys;
  readonly x: string;
  readonly agentId: AgentId;
  instance: Uint8Array = randomBytes(16);
  facts: Facts = FACTS;
  labels: Labels = {};
  capabilities: string[] = ['query'];
  away: HelloBody['away'];
  replaces: number | undefined;
  channel: SessionMode = 'live';
  /** Over Poll: every request is repeated as if its answer had been lost. */
  flaky = false;
  from: string | undefined;
  proves = false;
  /** PEM of the authority of a gateway with TLS, for Live. */
  ca: string | undefined;
  token = '';
  num = 0;

  constructor() {
    this.keys = generateAgentKeys();
    this.x = exportAgentKeys(this.keys).x;
    this.agentId = agentIdFromPublicKey(this.x);
  }

  /** Enrols and keeps the token; `change` alters the request before it is sent. */
  async enroll(url: string, change: { secret?: string; body?: Record<string, unknown> } = {}): Promise<Response> {
    const timestampMs = Date.now();
    const proof = signEnrollProof(this.keys.privateKey, { org: ORG, publicKeyX: this.x, timestampMs });
    const body = {
      org: ORG,
      publicKey: this.x,
      timestampMs,
      proof,
      facts: this.facts,
      labels: this.labels,
      ...change.body,
    };
    const response = await postJson(`http://${url}/v1/enroll`, {
      from: this.from,
      authorization: `Bearer ${change.secret ?? ENROLL_SECRET}`,
      body: JSON.stringify(body),
    });
    if (response.ok) {
      const { token, num } = (await response.clone().json()) as { token: string; num: number };
      this.token = token;
      this.num = num;
    }
    return response;
  }

  /** Opens a session and resolves when it is ready. Polls go to all of the addresses in turn. */
  async connect(url: string, ...others: string[]): Promise<TestSession> {
    return this.#becomesReady(await this.open(url, ...others));
  }

  /** The same over Live, whatever channel the agent uses otherwise. */
  async connectLive(url: string): Promise<LiveSession> {
    return this.#becomesReady(await this.openLive(url));
  }

  openLive(url: string): Promise<LiveSession> {
    return LiveSession.open(this, url);
  }

  /** Opens it only, without a hello. */
  open(url: string, ...others: string[]): Promise<TestSession> {
    return this.channel === 'live' ? LiveSession.open(this, url) : PollSession.open(this, [url, ...others]);
  }

  /** The reply that refuses a session. */
  refusal(url: string): Promise<Refusal> {
    const { token } = this;
    return this.channel === 'live' ? refusedUpgrade(url, { protocol: SUBPROTOCOL, token }) : refusedPoll(url, token);
  }

  async #becomesReady<S extends TestSession>(session: S): Promise<S> {
    session.answerChallenge(await session.next(FRAME.challenge));
    const welcome = decodeBody('welcome', (await session.next(FRAME.welcome)).body);
    if (!welcome.ok) throw new Error(welcome.fault);
    session.epoch = welcome.body.epoch;
    session.welcome = welcome.body;
    if (welcome.body.token !== undefined) this.token = welcome.body.token;
    return session;
  }
}

/** Like `fetch`, which cannot choose the address that it connects from. */
async function postJson(
  url: string,
  { from, authorization, body }: { from: string | undefined; authorization: string; body: string },
): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), authorization };
  const sent = request(url, { method: 'POST', agent: false, headers, localAddress: from });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const replied = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]);
  return new Response(await text(response), { status: response.statusCode ?? 0, headers: replied });
}
