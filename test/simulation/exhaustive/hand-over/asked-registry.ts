import type { Registry } from '@muster/registry';

/** A call that waits for the registry, or whose answer waits for the gateway. */
interface Call {
  readonly name: string;
  /** Nothing depends on when it is answered, besides on its place among others. */
  readonly isQuick: boolean;
  isDone: boolean;
  readonly act: () => Promise<void>;
  answer: () => void;
}

/** The registry as one gateway has it: what it asks is done in order, and answered in order, whenever the search wants. */
export class AskedRegistry implements Pick<Registry, 'register' | 'resync' | 'unregister' | 'lease' | 'generation'> {
  readonly lease: Registry['lease'];
  readonly #redis: Registry;
  readonly #calls: Call[] = [];

  constructor(redis: Registry) {
    this.#redis = redis;
    const { lease } = redis;
    this.lease = {
      lapsed: (withinMs) => lease.lapsed(withinMs),
      drop: (gatewayId) => this.#ask('drop', () => lease.drop(gatewayId), { isQuick: true }),
      renew: (renewal) => this.#ask('renew', () => lease.renew(renewal), { isQuick: true }),
    };
  }

  register: Registry['register'] = (gatewayId, items) =>
    this.#ask(`register ${items.map(registered).join(',')}`, () => this.#redis.register(gatewayId, items));
  resync: Registry['resync'] = (gatewayId, items) =>
    this.#ask(`resync ${items.map(session).join(',')}`, () => this.#redis.resync(gatewayId, items));
  unregister: Registry['unregister'] = (items) =>
    this.#ask(`unregister ${items.map(session).join(',')}`, () => this.#redis.unregister(items), { isQuick: true });
  generation: Registry['generation'] = () => this.#ask('generation', () => this.#redis.generation(), { isQuick: true });

  get isAsked(): boolean {
    return this.#calls.length > 0;
  }

  /** A lease is renewed, or what follows from that is done. */
  get isRenewing(): boolean {
    return this.#calls.some(({ name }) => /^(renew|generation|resync)/.test(name));
  }

  get canAct(): boolean {
    const next = this.#calls.findIndex(({ isDone }) => !isDone);
    return next === 0 || (next > 0 && this.#calls[next]?.isQuick === false);
  }

  get canAnswer(): boolean {
    return this.#calls[0]?.isDone === true;
  }

  /** The registry does what it was asked first. */
  act(): void {
    const call = this.#calls.find(({ isDone }) => !isDone);
    if (call === undefined) return;
    call.isDone = true;
    void call.act();
  }

  /** The gateway is told what came of it. */
  answer(): void {
    this.#calls.shift()?.answer();
  }

  get text(): string {
    return this.#calls.map(({ name, isDone }) => `${name} ${isDone ? 'done' : 'asked'}`).join(';');
  }

  #ask<T>(name: string, run: () => Promise<T>, { isQuick = false } = {}): Promise<T> {
    return new Promise((resolve) => {
      const call: Call = {
        ...{ name, isQuick, isDone: false, answer: () => undefined },
        act: async () => {
          const result = await run();
          call.answer = () => resolve(result);
          if (isQuick) this.answer();
        },
      };
      this.#calls.push(call);
    });
  }
}

const session = ({ agentId, epoch }: { readonly agentId: string; readonly epoch: number }): string =>
  `${agentId} @${agentId}:${epoch}@`;
const registered = ({ agentId, replaces }: { readonly agentId: string; readonly replaces?: number }): string =>
  `${agentId} for @${agentId}:${replaces ?? ''}@`;
