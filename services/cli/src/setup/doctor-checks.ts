import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { connect, isIP } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { ApiProblem } from '@muster/api-client';
import type { CommandEnv } from '../environment/command-env.js';
import { connectionReason } from '../environment/api-fault.js';

/** The result of one check; `todo` is the first thing to try. */
export interface Finding {
  readonly verdict: 'ok' | 'warn' | 'fail' | 'skip';
  readonly detail: string;
  readonly todo?: string;
}

type Check = (env: CommandEnv) => Promise<Finding>;

const TIMEOUT_MS = 5_000;
const CERT_SOON_DAYS = 14;

/** From this terminal to an endpoint; each check relies on those before it. */
export const CHECKS: readonly (readonly [name: string, check: Check])[] = [
  ['configuration', checkConfiguration],
  ['dns', checkDns],
  ['tcp', checkTcp],
  ['tls', checkTls],
  ['api', checkApi],
  ['token', checkToken],
  ['query service', checkQueryService],
  ['agents', checkAgents],
];

async function checkConfiguration(env: CommandEnv): Promise<Finding> {
  const { apiUrl, source, token } = env.context();
  if (token === undefined) {
    return {
      verdict: 'warn',
      detail: `${apiUrl} from ${source}, without a token`,
      todo: 'set MUSTER_TOKEN, or a token in the context',
    };
  }
  return { verdict: 'ok', detail: `${apiUrl} from ${source}` };
}

async function checkDns(env: CommandEnv): Promise<Finding> {
  const { host } = addressOf(env);
  if (isIP(host) !== 0) return { verdict: 'ok', detail: `${host} is an address` };
  try {
    const found = await lookup(host, { all: true });
    return { verdict: 'ok', detail: `${host} is ${found.map(({ address }) => address).join(', ')}` };
  } catch (error) {
    return {
      verdict: 'fail',
      detail: `${host}: ${connectionReason(error as Error)}`,
      todo: 'check the name, the VPN, and /etc/resolv.conf',
    };
  }
}

async function checkTcp(env: CommandEnv): Promise<Finding> {
  const { host, port } = addressOf(env);
  const startedAt = performance.now();
  const fault = await new Promise<Error | undefined>((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    socket.once('connect', () => resolve(undefined));
    socket.once('error', resolve);
    socket.once('timeout', () => resolve(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })));
    void socket.once('close', () => resolve(undefined));
    socket.once('connect', () => socket.destroy());
  });
  if (fault === undefined)
    return { verdict: 'ok', detail: `${host}:${port} answers in ${Math.round(performance.now() - startedAt)} ms` };
  return {
    verdict: 'fail',
    detail: `${host}:${port}: ${connectionReason(fault)}`,
    todo: 'is the server running (npm start), and does a firewall or proxy stand between?',
  };
}

async function checkTls(env: CommandEnv): Promise<Finding> {
  const { host, port, secure } = addressOf(env);
  if (!secure)
    return {
      verdict: 'warn',
      detail: 'the address is http: the token travels in plain text',
      todo: 'use https unless this is loopback',
    };
  const { caPath } = env.context();
  const ca = caPath === undefined ? undefined : readFileSync(caPath, 'utf8');
  const name = isIP(host) === 0 ? { servername: host } : {};
  return new Promise((resolve) => {
    const socket = tlsConnect({ host, port, ...name, ...(ca === undefined ? {} : { ca }), timeout: TIMEOUT_MS }, () => {
      const { valid_to: validTo } = socket.getPeerCertificate();
      const days = Math.floor((Date.parse(validTo) - Date.now()) / 86_400_000);
      const detail = `${socket.getProtocol()}, the certificate is good for ${days} days`;
      resolve(
        days < CERT_SOON_DAYS ? { verdict: 'warn', detail, todo: 'renew the certificate' } : { verdict: 'ok', detail },
      );
      socket.destroy();
    });
    const fail = (error: Error): void => {
      socket.destroy();
      resolve({
        verdict: 'fail',
        detail: connectionReason(error),
        todo: 'give the right authority with MUSTER_CA, or in the context with --ca',
      });
    };
    socket.once('error', fail);
    socket.once('timeout', () => fail(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })));
  });
}

async function checkApi(env: CommandEnv): Promise<Finding> {
  const document = await env.client().call('GET /v1/openapi.json');
  const { title = 'an API', version = '' } = (document['info'] ?? {}) as { title?: string; version?: string };
  return { verdict: 'ok', detail: `${title} ${version}`.trim() };
}

async function checkToken(env: CommandEnv): Promise<Finding> {
  try {
    const { items } = await env.client().call('GET /v1/tables');
    return {
      verdict: 'ok',
      detail: items.length > 0 ? 'the token is accepted' : 'the token is accepted, but the server knows no tables',
    };
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    const todo =
      error.status === 401
        ? 'ask for a new token (muster tokens create)'
        : 'ask for a token with a role that allows this';
    return { verdict: 'fail', detail: error.message, todo };
  }
}

/** Asks a question that selects no endpoint: it is compiled and counted like any other, and costs endpoints nothing. */
async function checkQueryService(env: CommandEnv): Promise<Finding> {
  try {
    const body = { sql: 'SELECT 1', selector: 'id in (none)', timeoutMs: 1_000 };
    await env.client().call('POST /v1/queries', { body });
    return { verdict: 'ok', detail: 'a question is accepted' };
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    if (error.code === 'forbidden') return { verdict: 'warn', detail: 'the role of this token may not ask questions' };
    return {
      verdict: 'fail',
      detail: error.message,
      todo: 'look at the log and /readyz of the query service and of NATS',
    };
  }
}

async function checkAgents(env: CommandEnv): Promise<Finding> {
  const { items } = await env.client().call('GET /v1/agents', { query: { selector: 'mode=live', limit: 1 } });
  if (items.length > 0) return { verdict: 'ok', detail: 'at least one endpoint is live' };
  return {
    verdict: 'warn',
    detail: 'no endpoint is live',
    todo: 'start an agent, or run `muster-agent doctor` on an endpoint',
  };
}

function addressOf(env: CommandEnv): { host: string; port: number; secure: boolean } {
  const { protocol, hostname, port } = new URL(env.context().apiUrl);
  const secure = protocol === 'https:';
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (secure ? 443 : 80), secure };
}
