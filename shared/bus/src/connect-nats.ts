import { connect, errors, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';
import type { Broker, StopOptions } from './broker.js';
import type { Logger } from '@muster/runtime';
import { NatsBus } from './nats-bus.js';
import { NatsLink } from './nats-link.js';
import { NatsStreamStore } from './nats-stream-store.js';
import { within } from './within.js';

export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`; user and password may be part of the URL. */
  readonly servers: readonly string[];
  /** Shown in the server's connection list. */
  readonly name: string;
  readonly logger: Logger;
  /** How long to wait for the first connection; default 30,000. */
  readonly startTimeoutMs?: number;
  /** Bytes published but not yet read by the server before `publish` drops; default 64 MB. */
  readonly maxUnreadBytes?: number;
}

/** NATS could not be reached, or refused the credentials. The message names servers and cause, never credentials. */
export class NatsUnreachableError extends Error {
  override readonly name = 'NatsUnreachableError';
}

const RETRY_MS = 250;
const DIAL_TIMEOUT_MS = 3_000;

/**
 * Connects to NATS and waits for it up to `startTimeoutMs`. Afterwards the connection reconnects for ever.
 * @throws NatsUnreachableError when the time is over, or at once when the credentials are refused.
 */
export async function connectNats(options: NatsOptions): Promise<Broker> {
  const nc = await firstConnection(options);
  const link = new NatsLink(nc, options.logger);
  const bus = new NatsBus(link, options.maxUnreadBytes ?? 64 * 1024 * 1024);
  const streams = new NatsStreamStore(link);
  let stopped: Promise<void> | undefined;
  return { bus, streams, stop: (stop = {}) => (stopped ??= end(link, stop)) };
}

async function firstConnection(options: NatsOptions): Promise<NatsConnection> {
  const settings = connectionOptions(options);
  const timeoutMs = options.startTimeoutMs ?? 30_000;
  const deadline = Date.now() + timeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connect(settings);
    } catch (error) {
      const names = options.servers.map(withoutCredentials).join(', ');
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
        throw new NatsUnreachableError(`nats at ${names} refuses our credentials: ${reason}`, { cause: error });
      }
      if (Date.now() + RETRY_MS >= deadline) {
        throw new NatsUnreachableError(`cannot reach nats at ${names} within ${timeoutMs} ms: ${reason}`, {
          cause: error,
        });
      }
      if (attempt === 1) options.logger.warn('waiting for nats', { servers: names, reason });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function connectionOptions(options: NatsOptions): ConnectionOptions {
  const fromUrl = options.servers.map((server) => new URL(server)).find((url) => url.username !== '');
  return {
    servers: options.servers.map((server) => new URL(server).host),
    name: options.name,
    timeout: DIAL_TIMEOUT_MS,
    // A dead link is noticed after at most three of these; TCP alone would take many minutes.
    pingInterval: 5_000,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 750,
    reconnectJitterTLS: 1_500,
    // Stack traces across awaits cost more than the request itself.
    noAsyncTraces: true,
    ignoreAuthErrorAbort: true,
    ...(fromUrl && { user: decodeURIComponent(fromUrl.username), pass: decodeURIComponent(fromUrl.password) }),
    ...(options.servers.some((server) => server.startsWith('tls:')) && { tls: {} }),
  };
}

function withoutCredentials(server: string): string {
  const url = new URL(server);
  return `${url.protocol}//${url.host}`;
}

async function end(link: NatsLink, { drain = true, timeoutMs = 5_000 }: StopOptions): Promise<void> {
  link.stopping = true;
  if (link.nc.isClosed()) return;
  try {
    if (drain && link.connected) await within(timeoutMs, link.nc.drain());
  } catch (error) {
    link.logger.warn('draining nats failed', { err: error });
  }
  await link.nc.close();
}
