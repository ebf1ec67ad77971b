import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { systemClock } from './clock.js';
import { ConnectionGuard } from './connection-guard.js';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';
import type { Check, CheckDetail, CheckResult, Readiness } from './readiness.js';

export interface HealthServerOptions {
  readonly host: string;
  /** 0 means any free one. */
  readonly port: number;
  /** What `/metrics` shows; the server's own metrics are among them. */
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** What /readyz checks besides the life cycle. */
  readonly checks?: Readonly<Record<string, Check>>;
  readonly readiness: Readiness;
  /** How long one check may take before it counts as failed. */
  readonly checkTimeoutMs?: number;
}

/** Whoever is silent for this long is cut: probes ask at once, and connect again each time. */
const TIMEOUT_MS = 5_000;
/** A request takes milliseconds. When all are taken the oldest silent connection makes room, so probes are answered. */
const CONNECTIONS = 256;

/**
 * Endpoints for orchestrators and Prometheus, on a port of their own:
 *
 * - `/healthz` 200 while the event loop runs. It checks nothing else: the loss of a broker must not restart every pod.
 * - `/readyz` 200 when the service takes work, else 503; a JSON body has the result of each check.
 * - `/metrics` the registry in Prometheus' text format.
 */
export function createHealthServer(options: HealthServerOptions) {
  const server = createServer(
    {
      maxHeaderSize: 8 * 1024,
      headersTimeout: TIMEOUT_MS,
      requestTimeout: TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      answer(request, response, options).catch(() => {
        if (!response.headersSent) send(response, 500, 'text/plain; charset=utf-8', 'failed\n');
        response.destroy();
      });
    },
  );
  server.keepAliveTimeout = TIMEOUT_MS;
  server.timeout = TIMEOUT_MS;
  const { logger, metrics } = options;
  new ConnectionGuard({
    listener: 'health',
    bounds: { total: CONNECTIONS, perAddress: CONNECTIONS, unproven: CONNECTIONS },
    headTimeoutMs: TIMEOUT_MS,
    clock: systemClock,
    logger,
    metrics,
  }).watch(server);
  let stopped: Promise<void> | undefined;
  return {
    start: () => listen(server, options.port, options.host),
    stop: (signal?: AbortSignal) => (stopped ??= close(server, signal)),
    ports: () => ({ health: (server.address() as AddressInfo | null)?.port ?? 0 }),
  };
}

export type HealthServer = ReturnType<typeof createHealthServer>;

async function answer(request: IncomingMessage, response: ServerResponse, options: HealthServerOptions): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, 405, 'text/plain; charset=utf-8', 'method not allowed\n');
  }
  switch (path) {
    case '/healthz':
      return send(response, 200, 'text/plain; charset=utf-8', 'ok\n');
    case '/readyz': {
      const body = await readinessBody(options);
      return send(response, body.ready ? 200 : 503, 'application/json', `${JSON.stringify(body)}\n`);
    }
    case '/metrics':
      return send(response, 200, options.metrics.registry.contentType, await options.metrics.registry.metrics());
    default:
      return send(response, 404, 'text/plain; charset=utf-8', 'not found\n');
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

interface ReadinessBody {
  readonly ready: boolean;
  readonly state: string;
  readonly checks: Readonly<Record<string, CheckDetail>>;
}

async function readinessBody({
  checks = {},
  readiness,
  checkTimeoutMs = 2_000,
}: HealthServerOptions): Promise<ReadinessBody> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await runCheck(check, checkTimeoutMs)] as const),
  );
  // Read after the checks, to include a drain that began meanwhile.
  const { state, ready } = readiness;
  const allow = results.every(([, result]) => result.ok || result.needed === false);
  return { ready: ready && allow, state, checks: Object.fromEntries(results) };
}

async function runCheck(check: Check, timeoutMs: number): Promise<CheckDetail> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<CheckResult>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, detail: `no answer within ${timeoutMs} ms` }), timeoutMs);
  });
  try {
    const result = await Promise.race([check(), timeout]);
    return typeof result === 'boolean' ? { ok: result } : result;
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  await once(server, 'listening');
}

/** Waits for answers under way; the signal ends the wait. */
function close(server: Server, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    const cut = (): void => server.closeAllConnections();
    server.close(() => {
      signal?.removeEventListener('abort', cut);
      resolve();
    });
    server.closeIdleConnections();
    if (signal?.aborted) cut();
    else signal?.addEventListener('abort', cut, { once: true });
  });
}
