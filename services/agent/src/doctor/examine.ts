import type { Agent } from 'node:http';
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type SessionMode, SUBPROTOCOL } from '@muster/protocol';
import { WebSocket } from 'ws';
import { type NetworkEnd, urlEnd } from '../network/network-end.js';
import { openTunnel } from '../network/open-tunnel.js';
import { readRefusal, type Refusal } from '../network/http-refusal.js';
import { examinePoll, type Finding, POLL_ADVICE } from './examine-poll.js';

export type Hop = 'dns' | 'tcp' | 'proxy' | 'tls' | 'upgrade' | 'ping' | 'poll';

export interface HopReport extends Finding {
  readonly hop: Hop;
  readonly tookMs: number;
}

export interface Examination {
  /** `wss://host:port/v1/live` */
  readonly url: string;
  readonly ca?: string | undefined;
  /** The proxy, if there is one: the first hops lead to it, the others through it. */
  readonly proxy?: URL | undefined;
  /** Opens connections through that proxy. */
  readonly agent?: Agent | undefined;
  /** Without a token, the upgrade can only show that a gateway answers. */
  readonly token?: string | undefined;
  /** The mode that the agent is pinned to; absent: it may use both. */
  readonly pin?: SessionMode | undefined;
  /** For the test of Poll; absent: Poll is not tested. */
  readonly poll?: { readonly url: string; readonly agent: Agent } | undefined;
  readonly timeoutMs?: number;
}

/**
 * Tests the path to a gateway hop by hop and stops at the first failure: name, TCP, the proxy's tunnel if there is one,
 * TLS, WebSocket upgrade, ping. If the path up to TLS works, Poll is tested too, even if WebSockets fail. It sends no
 * HELLO, so it does not supersede the session of a running agent.
 */
export async function* examine(examination: Examination): AsyncGenerator<HopReport> {
  const url = new URL(examination.url);
  const target = urlEnd(url);
  const timeoutMs = examination.timeoutMs ?? 10_000;
  const { proxy } = examination;
  const first = proxy === undefined ? target : urlEnd(proxy);
  const tests = new HopTests(examination, target, timeoutMs);
  const path: readonly Step[] = [
    ['dns', () => tests.resolve(), `does "${first.host}" exist, and does this machine reach its name server?`],
    ['tcp', () => tests.connect(), `a firewall may block port ${first.port}, or nothing listens there`],
    ...(proxy === undefined ? [] : [['proxy', () => tests.tunnel(proxy), PROXY_ADVICE] as const]),
    ...(url.protocol === 'wss:' ? [['tls', () => tests.handshake(), TLS_ADVICE] as const] : []),
  ];
  const live: readonly Step[] = [
    ['upgrade', () => tests.upgrade(), UPGRADE_ADVICE],
    [
      'ping',
      () => tests.ping(),
      'something between agent and gateway lets the upgrade through but blocks WebSocket frames',
    ],
  ];
  const { poll, pin } = examination;
  try {
    if (!(yield* walk(path, tests))) return;
    const isLive = pin !== 'poll' && (yield* walk(live, tests));
    if (poll === undefined || pin === 'live') return;
    const testPoll = async (): Promise<Finding> => {
      const finding = await examinePoll({ ...examination, ...poll }, timeoutMs);
      const isFallback = finding.ok && !isLive && pin === undefined;
      return isFallback
        ? { ...finding, detail: `${finding.detail}: the agent will poll until Live can be had` }
        : finding;
    };
    yield* walk([['poll', testPoll, POLL_ADVICE]], tests);
  } finally {
    tests.close();
  }
}

type Step = readonly [Hop, () => Promise<Finding>, advice: string];

/** Runs the steps in order until one fails; returns whether all succeeded. */
async function* walk(steps: readonly Step[], tests: HopTests): AsyncGenerator<HopReport, boolean> {
  tests.ended = false;
  for (const [hop, run, advice] of steps) {
    const startedMs = performance.now();
    const finding = await run().catch((error: unknown) => ({
      ok: false,
      detail: messageOf(error),
      advice: adviceFor(error) ?? advice,
    }));
    yield { hop, ...finding, tookMs: performance.now() - startedMs };
    if (!finding.ok) return false;
    if (tests.ended) return true;
  }
  return true;
}

/** Advice for certificate errors that say more than that it is not trusted. */
function adviceFor(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return 'the certificate must be renewed, if the clock of this machine is right';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'MUSTER_GATEWAY_URL must have a name that is in the certificate';
  return undefined;
}

const PROXY_ADVICE =
  'is it a proxy, and the one that HTTPS_PROXY should name? If the gateway needs none, name it in NO_PROXY';
const TLS_ADVICE = 'is MUSTER_GATEWAY_CA the authority of this gateway, or does a proxy inspect TLS?';
const UPGRADE_ADVICE = 'a proxy or load balancer may not pass WebSocket upgrades';

class HopTests {
  readonly #examination: Examination;
  readonly #target: NetworkEnd;
  readonly #timeoutMs: number;
  /** Where the first connection leads: to the gateway, or to the proxy. */
  readonly #first: NetworkEnd;
  #tunnel: Socket | undefined;
  #socket: WebSocket | undefined;
  /** No further hop can be tested, although this one succeeded. */
  ended = false;

  constructor(examination: Examination, target: NetworkEnd, timeoutMs: number) {
    this.#examination = examination;
    this.#target = target;
    this.#first = examination.proxy === undefined ? target : urlEnd(examination.proxy);
    this.#timeoutMs = timeoutMs;
  }

  async resolve(): Promise<Finding> {
    const { host } = this.#first;
    if (isIP(host) !== 0) return { ok: true, detail: `${host} is an address` };
    const addresses = await within(this.#timeoutMs, lookup(host, { all: true }));
    return { ok: true, detail: `${host} is ${addresses.map((one) => one.address).join(', ')}` };
  }

  async connect(): Promise<Finding> {
    const socket = await opened(connectTcp(this.#first), 'connect', this.#timeoutMs);
    const remote = `${socket.remoteAddress ?? ''} port ${socket.remotePort ?? ''}`;
    socket.destroy();
    return { ok: true, detail: `connected to ${this.#examination.proxy === undefined ? '' : 'the proxy, '}${remote}` };
  }

  async tunnel(proxy: URL): Promise<Finding> {
    const { host, port } = this.#target;
    const tunnel = await within(
      this.#timeoutMs,
      openTunnel(proxy, this.#target, this.#examination.ca, (socket) => (this.#tunnel = socket.on('error', () => {}))),
    );
    if (tunnel.ok) return { ok: true, detail: `the proxy leads to ${host} port ${port}` };
    const { status, line, scheme } = tunnel;
    const detail = `the proxy answered "${line}"`;
    if (status !== 407)
      return { ok: false, detail, advice: `the proxy may not allow ${host} port ${port}, or not reach it` };
    const asked = scheme === undefined ? '' : ` (it asks for ${scheme}; the agent knows Basic)`;
    return {
      ok: false,
      detail,
      advice: `the proxy wants a user and a password that are right, in HTTPS_PROXY${asked}`,
    };
  }

  async handshake(): Promise<Finding> {
    const { host, port } = this.#target;
    const { ca } = this.#examination;
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket = await opened(
      connectTls({
        ...(this.#tunnel === undefined ? { host, port } : { socket: this.#tunnel }),
        ...servername,
        ...(ca === undefined ? {} : { ca }),
      }),
      'secureConnect',
      this.#timeoutMs,
    );
    const { issuer, valid_to: validTo } = socket.getPeerCertificate();
    const detail = `${socket.getProtocol() ?? 'TLS'}, certificate by ${String(issuer.CN ?? issuer.O ?? 'an unnamed issuer')} until ${validTo}`;
    socket.destroy();
    return { ok: true, detail };
  }

  async upgrade(): Promise<Finding> {
    const { url, ca, agent, token } = this.#examination;
    const socket = new WebSocket(url, [SUBPROTOCOL], {
      perMessageDeflate: false,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(ca === undefined ? {} : { ca }),
      ...(agent === undefined ? {} : { agent }),
    });
    this.#socket = socket;
    const answered = new Promise<Refusal | undefined>((resolve, reject) => {
      socket.on('open', () => resolve(undefined));
      socket.on('error', reject);
      socket.on('unexpected-response', (_request, response) => void readRefusal(response, Date.now()).then(resolve));
    });
    const refusal = await within(this.#timeoutMs, answered);
    return refusal === undefined ? { ok: true, detail: `a gateway speaks ${socket.protocol}` } : this.#judge(refusal);
  }

  async ping(): Promise<Finding> {
    const socket = this.#socket;
    if (socket === undefined) throw new Error('there is no connection');
    const startedMs = performance.now();
    const ponged = new Promise<void>((resolve, reject) => {
      socket.on('pong', () => resolve());
      socket.on('close', (code) => reject(new Error(`the connection was closed with ${code}`)));
    });
    socket.ping(Buffer.alloc(8, 1));
    await within(this.#timeoutMs, ponged);
    return { ok: true, detail: `answered after ${(performance.now() - startedMs).toFixed(1)} ms` };
  }

  close(): void {
    this.#tunnel?.destroy();
    this.#socket?.on('error', () => {});
    this.#socket?.terminate();
  }

  /** An HTTP answer from a gateway shows that the path works; one from anything else does not. */
  #judge({ status, code, detail }: Refusal): Finding {
    const answer = [status, code, detail].filter(Boolean).join(' ');
    if (code === undefined)
      return { ok: false, detail: `the answer is not from a gateway: ${answer}`, advice: UPGRADE_ADVICE };
    this.ended = true;
    if (status === 401 && this.#examination.token === undefined) {
      return { ok: true, detail: 'a gateway answers; this agent has no token yet ("muster-agent enroll")' };
    }
    // Something removed parts of the upgrade request.
    const isCut = status === 426 || status === 400;
    return { ok: false, detail: `the gateway refused: ${answer}`, ...(isCut ? { advice: UPGRADE_ADVICE } : {}) };
  }
}

function opened<S extends Socket | TLSSocket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  timeoutMs: number,
): Promise<S> {
  const opening = new Promise<S>((resolve, reject) => {
    socket.once(event, () => resolve(socket));
    socket.once('error', reject);
  });
  return within(timeoutMs, opening).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
}

async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
