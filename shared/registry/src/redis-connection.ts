import { createHash } from 'node:crypto';
import { Cluster, Redis } from 'ioredis';
import type { Logger } from '@muster/runtime';
import { parseRedisUrl } from './redis-url.js';

/** A Lua script and the digest under which Redis caches it. */
export class LuaScript {
  readonly text: string;
  readonly sha: string;

  constructor(text: string) {
    this.text = text;
    this.sha = createHash('sha1').update(text).digest('hex');
  }
}

/** Reasons that are logged between two connections. */
const MAX_TOLD = 10;

/**
 * One Redis, or a Redis Cluster, as `parseRedisUrl` reads it.
 *
 * Reconnects for ever. While it is not ready every command fails at once instead of being queued, because callers work
 * without the registry and must not wait. Nothing is sent twice: whether a lost command was executed is unknown.
 */
export class RedisConnection {
  private readonly client: Redis | Cluster;
  /** The servers, for people: without credentials. */
  readonly servers: string;
  /** The last reason why it is not connected, as the log had it. */
  private reason = 'no answer yet';

  constructor(url: string, logger: Logger) {
    this.client = createClient(url);
    this.servers = url.replace(/\/\/[^@/]*@/, '//');
    const { servers } = this;
    const told = new Set<string>();
    const isDown = (reason: string): void => {
      this.reason = reason;
      // The same few reasons come again with each attempt.
      if (told.has(reason) || told.size >= MAX_TOLD || this.stopped) return;
      told.add(reason);
      logger.warn('redis is not reachable', { servers, reason });
    };
    this.client.on('error', (error: Error) => isDown(reasonOf(error)));
    this.client.on('close', () => {
      if (told.size === 0) isDown('the connection was lost');
    });
    this.client.on('ready', () => {
      logger.info('connected to redis', { servers });
      told.clear();
    });
  }

  /** Why it is not connected, for people; `undefined` while it is. */
  get fault(): string | undefined {
    return this.connected ? undefined : `redis at ${this.servers}: ${this.reason}`;
  }

  private stopped = false;

  get connected(): boolean {
    if (this.client.status !== 'ready') return false;
    // A cluster client stays 'ready' when all its nodes are gone.
    return this.client instanceof Redis || this.client.nodes().some((node) => node.status === 'ready');
  }

  /** Resolves when Redis answers, or after `timeoutMs`. */
  async whenReady(timeoutMs: number): Promise<boolean> {
    if (this.connected) return true;
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        this.client.off('ready', settle);
        resolve(this.connected);
      };
      const timer = setTimeout(settle, timeoutMs);
      this.client.on('ready', settle);
    });
  }

  /** Runs a script, on the node that has the keys. */
  async run(script: LuaScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.client.evalsha(script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      // Redis has not cached the script yet, or restarted. The script did not run.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return this.client.eval(script.text, keys.length, ...keys, ...args);
    }
  }

  hmget(key: string, fields: readonly string[]): Promise<(string | null)[]> {
    return this.client.hmget(key, ...fields);
  }

  /** A page of a hash: the next cursor (`0` at the end), and fields and values in turn. */
  hscan(key: string, cursor: string, count: number): Promise<[string, string[]]> {
    return this.client.hscan(key, cursor, 'COUNT', count);
  }

  get(key: string): Promise<string | null> {
    return this.client.get(key);
  }

  async setIfAbsent(key: string, value: string): Promise<void> {
    await this.client.set(key, value, 'NX');
  }

  stop(): void {
    this.stopped = true;
    this.client.disconnect();
  }
}

/** A cluster client reports one error for all its nodes, and has the node's own beside it. */
function reasonOf(error: Error & { readonly lastNodeError?: Error }): string {
  return error.lastNodeError === undefined ? error.message : `${error.message} (${error.lastNodeError.message})`;
}

function createClient(url: string): Redis | Cluster {
  const { isCluster, nodes, options } = parseRedisUrl(url);
  const retryStrategy = (times: number) => Math.min(times * 100, 2_000) * (0.5 + Math.random() / 2);
  if (!isCluster) {
    return new Redis({ ...options, ...nodes[0], retryStrategy, enableOfflineQueue: false });
  }
  return new Cluster([...nodes], {
    redisOptions: options,
    clusterRetryStrategy: retryStrategy,
    enableOfflineQueue: false,
    maxRedirections: 4,
    slotsRefreshTimeout: 2_000,
  });
}
