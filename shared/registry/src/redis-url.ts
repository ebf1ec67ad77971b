import type { RedisOptions } from 'ioredis';

const COMMAND_TIMEOUT_MS = 3_000;
/** A connection on which nothing is heard for so long is made anew: its other end may be gone without a word. */
const SOCKET_TIMEOUT_MS = 5_000;
const DISCONNECT = { disconnectTimeout: 250 };

interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** The form of the URL of one Redis or of a cluster, for the check of a setting. */
export const REDIS_URL = /^redis(s?)(-cluster)?:\/\/(?:([^@/]*)@)?([^/]+)(?:\/(\d+))?\/?$/;

/**
 * Reads `redis://[user:pass@]host:port[/db]` or `redis-cluster://[user:pass@]h1:p1,h2:p2`; both with `rediss` for TLS, where `ca` are the
 * certificates that vouch for the servers, PEM.
 * @throws RangeError for anything else.
 */
export function parseRedisUrl(url: string, ca?: string) {
  const match = REDIS_URL.exec(url);
  if (match === null) throw new RangeError('a redis URL is redis://host:port or redis-cluster://host:port,host:port');
  const [, tls, cluster, login, hosts = '', db] = match;
  const [username = '', password] = (login ?? '').split(':').map(decodeURIComponent);
  const options = {
    connectTimeout: 3_000,
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // Not in the client's types: how long a stopped client holds on to a socket that does not close.
    ...DISCONNECT,
    ...(username === '' ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(db === undefined ? {} : { db: Number(db) }),
    ...(tls === '' ? {} : { tls: ca === undefined ? {} : { ca } }),
  } satisfies RedisOptions;
  const [first = '', ...others] = hosts.split(',');
  const nodeOf = (host: string): RedisNode => {
    const { hostname, port } = new URL(`redis://${host}`);
    return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 6379 : Number(port) };
  };
  return { isCluster: cluster !== undefined, nodes: [nodeOf(first), ...others.map(nodeOf)] as const, options };
}
