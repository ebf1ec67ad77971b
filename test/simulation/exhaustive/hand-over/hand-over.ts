import { MemoryRegistry, RegistryStore } from '@muster/testkit';
import { drain } from '../../world/drain.js';
import { EndpointUnderSearch } from './endpoint-under-search.js';
import { GatewayUnderSearch } from './gateway-under-search.js';
import { StillClock, StillTime } from './still-clock.js';
import type { Wire } from './wire.js';

export const GATEWAYS = 3;
const LAPSED_MS = 20_000;
/** An endpoint that moves as often as a search may want does not flap. */
const NO_LIMIT = { supersedes: 1_000_000, withinMs: 1 };

/** A challenge, which is answered whatever else there is, and the end of a connection that the endpoint has left. */
const AT_ONCE: ReadonlySet<string | undefined> = new Set(['challenge', 'bye', 'gone']);

/** What waits for the end of a turn of the event loop. */
const atEndOfTurn: (() => void)[] = [];

/** While a search runs, nothing is done at a time that it has not chosen. Returns what puts the real timer back. */
export function takeTurns(): () => void {
  const real = globalThis.setImmediate;
  const later = (run: () => void): void => void atEndOfTurn.push(run);
  globalThis.setImmediate = later as unknown as typeof setImmediate;
  return () => {
    globalThis.setImmediate = real;
  };
}

/** Gateways and endpoints between which sessions move. Everything between them waits until a step lets it happen. */
export class HandOver {
  readonly store = new RegistryStore();
  readonly gateways: GatewayUnderSearch[] = [];
  readonly endpoints: EndpointUnderSearch[] = [];
  /** What has happened to the system so far. */
  readonly faults: string[] = [];
  /** The registry has lost its data, and not every gateway has registered its sessions again. */
  isEmptied = false;
  readonly #time = new StillTime();
  readonly #redisClock = new StillClock(this.#time);

  constructor(endpoints: number) {
    const { store } = this;
    const redis = new MemoryRegistry({ store, clock: this.#redisClock, flapLimit: NO_LIMIT });
    const post = { send: (subject: string, data: Uint8Array) => this.#post(subject, data) };
    for (let i = 0; i < GATEWAYS; i += 1)
      this.gateways.push(new GatewayUnderSearch(i, { time: this.#time, redis, post }));
    for (let i = 1; i <= endpoints; i += 1) this.endpoints.push(new EndpointUnderSearch(i, this.#time));
    this.#settle();
  }

  /** One step, and all that follows from it without waiting for anybody. */
  step(run: () => void): void {
    this.#time.tick();
    run();
    this.#settle();
  }

  /** Lets a waiting endpoint in at a gateway. */
  letIn(endpoint: EndpointUnderSearch, gateway: GatewayUnderSearch): void {
    const wire = endpoint.wires.find(({ isDialing }) => isDialing);
    if (wire !== undefined) gateway.accept(wire, endpoint.agentId, endpoint.num);
  }

  /** The process runs, and others have stopped believing it. */
  lapse(gateway: GatewayUnderSearch): void {
    const { id } = gateway.identity;
    const lease = this.store.leases.get(id);
    const nowMs = this.#redisClock.now();
    if (lease === undefined) return;
    this.store.leases.set(id, { ...lease, endsAtMs: nowMs - 1, renewedAtMs: nowMs - LAPSED_MS });
    gateway.owesRenewal = true;
  }

  freeze(gateway: GatewayUnderSearch): void {
    this.lapse(gateway);
    gateway.freeze();
  }

  emptyRegistry(): void {
    this.store.empty();
    this.isEmptied = true;
    for (const gateway of this.gateways) gateway.owesRenewal ||= !gateway.isStopped;
  }

  /** The gateway of a connection. */
  gatewayOf({ gateway }: Wire): GatewayUnderSearch | undefined {
    return gateway === undefined ? undefined : this.gateways[gateway];
  }

  isLive(id: string): boolean {
    return (this.store.leases.get(id)?.endsAtMs ?? 0) > this.#redisClock.now();
  }

  #post(subject: string, data: Uint8Array): void {
    const receiver = this.gateways.find((gateway) => gateway.listensTo(subject));
    receiver?.mail.push({ subject, data: new Uint8Array(data) });
  }

  #settle(): void {
    do {
      for (const run of atEndOfTurn.splice(0)) run();
      drain();
    } while (atEndOfTurn.length > 0 || this.#hasRead());
    for (const gateway of this.gateways) gateway.notice();
    for (const endpoint of this.endpoints) endpoint.sweep();
    this.isEmptied &&= this.gateways.some(({ owesRenewal, registry }) => owesRenewal || registry.isAsked);
  }

  /** An endpoint reads at once what nobody can tell from reading it later: fewer orders to look at. */
  #hasRead(): boolean {
    const waiting = this.endpoints
      .flatMap(({ wires }) => wires)
      .find(({ toEndpoint: [first] }) => AT_ONCE.has(first?.name));
    waiting?.toEndpoint.shift()?.arrive();
    return waiting !== undefined;
  }
}
