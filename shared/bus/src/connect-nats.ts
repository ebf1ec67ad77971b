import {
  connect,
  errors,
  usernamePasswordAuthenticator,
  type ConnectionOptions,
  type NatsConnection,
} from '@nats-io/transport-node';
import type { Broker, StopOptions } from './broker.js';
import { sleep, systemClock, type Logger } from '@muster/runtime';
import { NatsBus } from './nats-bus.js';
import { NatsLink } from './nats-link.js';
import type { Readers } from './nats-readers.js';
import { NatsStreamStore } from './nats-stream-store.js';
import { within } from './within.js';

export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`; user and password may be part of the URL. */
  readonly servers: readonly string[];
  /** The password at each connection, in the place of that of the URL. */
  readonly password?: () => string;
  /** Certificates that vouch for the servers over TLS, PEM. Default: those of the system. */
  readonly ca?: string;
  /** Shown in the server's connection list. */
  readonly name: string;
  readonly logger: Logger;
  /** Who it is to those that answer it: replies come on `_INBOX.<inbox>.>`. Default: `tools`. */
  readonly inbox?: string;
  /** How it comes to readers of streams; default: it makes them. */
  readonly readers?: Readers;
  /**
   * How long to wait for the first connection; default 30,000. `Infinity`: until the signal is aborted, also when the credentials are
   * refused, since somebody may mend them there.
   */
  readonly startTimeoutMs?: number;
  /** Ends the wait for the first connection. */
  readonly signal?: AbortSignal;
  /** Called after each attempt that failed, with a text for people. */
  readonly onWaiting?: (why: string) => void;
  /** Bytes published but not yet read by the server before `publish` drops; default 64 MB. */
  readonly maxUnreadBytes?: number;
}

/** NATS could not be reached, or refused the credentials. The message names servers and cause, never credentials. */
export class NatsUnreachableError extends Error {
  override readonly name = 'NatsUnreachableError';
}

const RETRY_MS = 250;
const DIAL_TIMEOUT_MS = 3_000;
/** While nothing changes, what is waited for is logged so often. */
const REMIND_MS = 30_000;

/**
 * Connects to NATS and waits for it up to `startTimeoutMs`. Afterwards the connection reconnects for ever.
 * @throws NatsUnreachableError when the time is over or the signal aborted, or at once when the credentials are refused.
 */
export async function connectNats(options: NatsOptions): Promise<Broker> {
  const nc = await firstConnection(options);
  const link = new NatsLink(nc, options.logger, inboxPrefix(options));
  const bus = new NatsBus(link, options.maxUnreadBytes ?? 64 * 1024 * 1024);
  const streams = new NatsStreamStore(link, options.readers);
  let stopped: Promise<void> | undefined;
  return { bus, streams, stop: (stop = {}) => (stopped ??= end(link, stop)) };
}

/** Waits for NATS as {@link connectNats} does. */
export async function firstConnection(options: NatsOptions): Promise<NatsConnection> {
  const settings = connectionOptions(options);
  const timeoutMs = options.startTimeoutMs ?? 30_000;
  const deadline = Date.now() + timeoutMs;
  const tell = reminder(options);
  for (;;) {
    try {
      return await connect(settings);
    } catch (error) {
      const { why, isRefused } = explain(error, options.servers, timeoutMs);
      const isOver = Date.now() + RETRY_MS >= deadline || options.signal?.aborted === true;
      if (isOver || (isRefused && timeoutMs !== Infinity)) throw new NatsUnreachableError(why, { cause: error });
      tell(why);
      await sleep(systemClock, RETRY_MS, options.signal);
    }
  }
}

function explain(
  error: unknown,
  servers: readonly string[],
  timeoutMs: number,
): { readonly why: string; readonly isRefused: boolean } {
  const reason = error instanceof Error ? error.message : String(error);
  const isRefused =
    error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError;
  const names = natsServerNames(servers);
  if (isRefused) return { why: `nats at ${names} refuses our credentials: ${reason}`, isRefused };
  const limit = timeoutMs === Infinity ? '' : ` within ${timeoutMs} ms`;
  return { why: `cannot reach nats at ${names}${limit}: ${reason}`, isRefused };
}

/** Passes every reason on, and logs it when it is new, or after a while. */
function reminder({ logger, onWaiting }: Pick<NatsOptions, 'logger' | 'onWaiting'>): (why: string) => void {
  const logged = new Set<string>();
  let sinceMs = Date.now();
  return (why) => {
    onWaiting?.(why);
    if (Date.now() - sinceMs >= REMIND_MS) {
      logged.clear();
      sinceMs = Date.now();
    }
    if (logged.has(why)) return;
    logged.add(why);
    logger.warn('waiting for nats', { reason: why });
  };
}

function connectionOptions(options: NatsOptions): ConnectionOptions {
  const fromUrl = options.servers.map((server) => new URL(server)).find((url) => url.username !== '');
  return {
    servers: options.servers.map((server) => new URL(server).host),
    name: options.name,
    inboxPrefix: inboxPrefix(options),
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
    ...(fromUrl && {
      authenticator: usernamePasswordAuthenticator(
        decodeURIComponent(fromUrl.username),
        options.password ?? decodeURIComponent(fromUrl.password),
      ),
    }),
    ...(options.servers.some((server) => server.startsWith('tls:')) && {
      tls: options.ca === undefined ? {} : { ca: options.ca },
    }),
  };
}

/** The inboxes of a connection: its user hears no others. */
export const inboxPrefix = ({ inbox = 'tools' }: NatsOptions): string => `_INBOX.${inbox}`;

/** The servers for people: without credentials. */
export function natsServerNames(servers: readonly string[]): string {
  return servers
    .map((server) => new URL(server))
    .map(({ protocol, host }) => `${protocol}//${host}`)
    .join(', ');
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
