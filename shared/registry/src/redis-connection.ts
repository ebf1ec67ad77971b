import { createHash } from 'node:crypto';
import { Cluster, Command, Redis } from 'ioredis';
import { systemClock, type Logger } from '@muster/runtime';
import { CircuitBreaker, SILENCE } from './circuit-breaker.js';
import { parseRedisUrl } from './redis-url.js';
import type { RegistryMetrics } from './registry-metrics.js';

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

export interface ConnectionExtras {
  readonly metrics?: RegistryMetrics;
  /** The password at each connection, in the place of that of the URL. */
  readonly password?: () => string;
  /** Certificates that vouch for the servers over TLS, PEM. Default: those of the system. */
  readonly ca?: string | undefined;
}

/**
 * One Redis, or a Redis Cluster, as `parseRedisUrl` reads it.
 *
 * Reconnects for ever. While it is not ready every command fails at once instead of being queued, because callers work
 * without the registry and must not wait; so it does when Redis stands still. Nothing is sent twice: whether a lost command was
 * executed is unknown.
 */
export class RedisConnection {
  private readonly client: Redis | Cluster;
  /** One circuit for each node. */
  private readonly breaker: CircuitBreaker;
  /** A key of each node, for the probes. */
  private readonly keys = new Map<string, string>();
  /** The servers, for people: without credentials. */
  readonly servers: string;
  /** The last reason why it is not connected, as the log had it. */
  private reason = 'no answer yet';
  private readonly metrics: RegistryMetrics | undefined;

  constructor(url: string, logger: Logger, { metrics, password, ca }: ConnectionExtras = {}) {
    this.metrics = metrics;
    const client = createClient(url, ca);
    // The client reads its options at each connection. That of a cluster has copies of them.
    if (password !== undefined && client instanceof Redis) {
      Object.defineProperty(client.options, 'password', { get: password, enumerable: true });
    }
    this.client = client;
    const probe = (node: string): Promise<unknown> => client.get(this.keys.get(node) ?? '');
    this.breaker = new CircuitBreaker({ ...SILENCE, clock: systemClock, probe });
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
    let wasReady = false;
    this.client.on('ready', () => {
      if (wasReady) metrics?.reconnects.inc();
      wasReady = true;
      logger.info('connected to redis', { servers });
      told.clear();
    });
  }

  /** Why it is not connected, for people; `undefined` while it is. */
  get fault(): string | undefined {
    if (this.connected) return undefined;
    return `redis at ${this.servers}: ${this.hasNode ? 'it does not answer' : this.reason}`;
  }

  private stopped = false;

  get connected(): boolean {
    return this.hasNode && !this.breaker.isOpen;
  }

  private get hasNode(): boolean {
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
    const [key = ''] = keys;
    try {
      return await this.ask(key, () => this.client.evalsha(script.sha, keys.length, ...keys, ...args));
    } catch (error) {
      // Redis has not cached the script yet, or restarted. The script did not run.
      if (!isNoScript(error)) throw error;
      return this.ask(key, () => this.client.eval(script.text, keys.length, ...keys, ...args));
    }
  }

  hmget(key: string, fields: readonly string[]): Promise<(string | null)[]> {
    return this.ask(key, () => this.client.hmget(key, ...fields));
  }

  /** A page of a hash: the next cursor (`0` at the end), and fields and values in turn. */
  hscan(key: string, cursor: string, count: number): Promise<[string, string[]]> {
    return this.ask(key, () => this.client.hscan(key, cursor, 'COUNT', count));
  }

  get(key: string): Promise<string | null> {
    return this.ask(key, () => this.client.get(key));
  }

  async setIfAbsent(key: string, value: string): Promise<void> {
    await this.ask(key, () => this.client.set(key, value, 'NX'));
  }

  /** What each master says of its memory. */
  memory(): Promise<string[]> {
    const nodes = this.client instanceof Redis ? [this.client] : this.client.nodes('master');
    return Promise.all(nodes.map((node) => node.info('memory')));
  }

  private async ask<T>(key: string, send: () => Promise<T>): Promise<T> {
    const node = this.nodeOf(key);
    this.keys.set(node, key);
    const startedMs = performance.now();
    try {
      const answer = await this.breaker.run(node, send);
      this.metrics?.commandSeconds.observe((performance.now() - startedMs) / 1_000);
      return answer;
    } catch (error) {
      // To be told that a script has to be sent first is no failure.
      if (!isNoScript(error)) this.metrics?.failures.inc();
      throw error;
    }
  }

  /** The server that has the key, as far as the client knows. */
  private nodeOf(key: string): string {
    if (this.client instanceof Redis) return this.servers;
    return this.client.slots[new Command('get', [key]).getSlot()]?.[0] ?? this.servers;
  }

  stop(): void {
    this.stopped = true;
    this.breaker.stop();
    this.client.disconnect();
  }
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/** A cluster client reports one error for all its nodes, and has the node's own beside it. */
function reasonOf(error: Error & { readonly lastNodeError?: Error }): string {
  return error.lastNodeError === undefined ? error.message : `${error.message} (${error.lastNodeError.message})`;
}

function createClient(url: string, ca: string | undefined): Redis | Cluster {
  const { isCluster, nodes, options } = parseRedisUrl(url, ca);
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
