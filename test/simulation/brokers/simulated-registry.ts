import type { Leases, Registry, ScanPage, Unavailable } from '@muster/registry';
import { CircuitBreaker, SILENCE } from '@muster/registry/circuit-breaker';
import type { MemoryRegistry, MemoryRegistryOptions } from '@muster/testkit';
import { ProcessClock } from '../world/process-clock.js';
import type { SimulatedProcess, World } from '../world/world.js';
import type { RedisServer } from './redis-server.js';

/** How long it takes until a client sees that a server is down. */
const REFUSED_MS = 5;

/**
 * {@link Registry} at a simulated Redis: each call is one message there and one back, behind the circuit breaker of the real client. A call
 * that is given up may take effect later all the same.
 */
export class SimulatedRegistry implements Registry {
  readonly lease: Leases;
  readonly #world: World;
  readonly #process: SimulatedProcess;
  readonly #redis: RedisServer;
  readonly #scripts: MemoryRegistry;
  readonly #clock: ProcessClock;
  readonly #breaker: CircuitBreaker;
  #isRefused = false;
  #isStopped = false;

  constructor(
    world: World,
    process: SimulatedProcess,
    redis: RedisServer,
    options: Pick<MemoryRegistryOptions, 'flapLimit'> = {},
  ) {
    this.#world = world;
    this.#process = process;
    this.#redis = redis;
    this.#scripts = redis.serve(options);
    this.#clock = new ProcessClock(world, process);
    const probe = (): Promise<unknown> => this.#send(() => this.#scripts.generation());
    this.#breaker = new CircuitBreaker({ ...SILENCE, clock: this.#clock, probe });
    const { lease } = this.#scripts;
    this.lease = {
      renew: (renewal) => this.#one(() => lease.renew(renewal), 'lease'),
      drop: (gatewayId) => this.#one(() => lease.drop(gatewayId)),
      lapsed: (withinMs) => this.#one(() => lease.lapsed(withinMs)),
    };
  }

  get connected(): boolean {
    const isUp = this.#redis.process.state !== 'down';
    return isUp && !this.#isRefused && !this.#breaker.isOpen && !this.#isStopped;
  }

  get fault(): string | undefined {
    return this.connected ? undefined : 'redis does not answer';
  }

  register: Registry['register'] = (gatewayId, items) =>
    this.#each(items, () => this.#scripts.register(gatewayId, items), 'register');
  resync: Registry['resync'] = (gatewayId, items) =>
    this.#each(items, () => this.#scripts.resync(gatewayId, items), 'register');
  unregister: Registry['unregister'] = (items) => this.#one(() => this.#scripts.unregister(items));
  lookup: Registry['lookup'] = (agentIds) => this.#one(() => this.#scripts.lookup(agentIds), 'lookup');
  gateways: Registry['gateways'] = () => this.#one(() => this.#scripts.gateways());
  generation: Registry['generation'] = () => this.#one(() => this.#scripts.generation());
  memory: Registry['memory'] = () => this.#one(() => this.#scripts.memory());

  async *scan(org: string, signal?: AbortSignal): AsyncGenerator<ScanPage, void, undefined> {
    const pages = await this.#call(async () => {
      const all: ScanPage[] = [];
      for await (const page of this.#scripts.scan(org, signal)) all.push(page);
      return all;
    });
    if (pages === undefined) yield unavailable();
    else yield* pages;
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    this.#breaker.stop();
    return Promise.resolve();
  }

  async #one<T>(run: () => Promise<T>, name?: Call): Promise<T | Unavailable> {
    return (await this.#call(run, name)) ?? unavailable();
  }

  async #each<T>(
    items: readonly unknown[],
    run: () => Promise<readonly T[]>,
    name: Call,
  ): Promise<readonly (T | Unavailable)[]> {
    return (await this.#call(run, name)) ?? items.map(unavailable);
  }

  /** `undefined` when there is no answer: what was asked may have been done. */
  async #call<T>(run: () => Promise<T>, name?: Call): Promise<T | undefined> {
    if (this.#isStopped) return undefined;
    if (name !== undefined) this.#world.moments.happened(`${name} sent`, this.#process);
    try {
      return await this.#breaker.run('redis', () => this.#send(run, name));
    } catch {
      return undefined;
    }
  }

  /** One message there and one back. Rejects when the server is down or refuses; settles never when it stands still. */
  #send<T>(run: () => Promise<T>, name?: Call): Promise<T> {
    const { random, moments } = this.#world;
    const server = this.#redis.process;
    return new Promise((resolve, reject) => {
      const lost = (): void => {
        this.#isRefused = true;
        this.#world.schedule(this.#process, REFUSED_MS, () => reject(new Error('redis is not reachable')));
      };
      if (server.state === 'down') return lost();
      this.#redis.waiting.add(lost);
      const { incarnation } = this.#process;
      const answer = (settle: () => void): void => {
        if (incarnation !== this.#process.incarnation) return;
        if (name !== undefined) moments.happened(`${name} done`, this.#process);
        const delayMs = random.between(0.05, 1) + this.#stalledMs(server, this.#process);
        this.#redis.waiting.delete(lost);
        this.#world.schedule(this.#process, delayMs, () => {
          this.#isRefused = false;
          settle();
        });
      };
      this.#world.schedule(server, random.between(0.05, 1) + this.#stalledMs(this.#process, server), () => {
        if (this.#redis.isFull && (name === 'lease' || name === 'register')) answer(() => reject(noRoom()));
        else void run().then((value) => answer(() => resolve(value)));
      });
    });
  }

  #stalledMs(from: SimulatedProcess, to: SimulatedProcess): number {
    return Math.max(0, Math.max(from.stalledUntilMs.out, to.stalledUntilMs.in) - this.#world.nowMs);
  }
}

/** Calls at which a fault may be placed. */
type Call = 'lease' | 'register' | 'lookup';

const unavailable = (): Unavailable => ({ kind: 'unavailable', cause: new Error('redis does not answer') });

const noRoom = (): Error => Object.assign(new Error('redis has no room'), { name: 'ReplyError' });
