import type { Endpoint } from '@muster/directory';
import type { GatewayId, OrgId, CommandId } from '@muster/protocol';
import type { PresenceDoubt, Registry, ScanPage } from '@muster/registry';
import { sleep, type Clock } from '@muster/runtime';

export interface Route {
  readonly gateway: GatewayId;
  readonly mode: 'live' | 'poll';
}

/** Routes of connected agents, by agent number. */
export type RouteMap = ReadonlyMap<number, Route>;

type PageResult = IteratorResult<ScanPage, void>;
type EndpointKey = Pick<Endpoint, 'num' | 'agentId'>;

/** Endpoints per look-up, so that other work runs in between. */
const SLICE = 2_000;
/** From this many on a scan of all sessions of the org costs less than look-ups. */
const SCAN_FROM = 20_000;
/** A command is accepted, and deliveries are broadcast, without routes that do not come within this time. */
const PATIENCE_MS = 250;

/** Where agents are connected, as the registry says. It may be wrong or unavailable, and nothing durable depends on it. */
export class Routes {
  readonly #registry: Pick<Registry, 'lookup' | 'scan'>;
  readonly #clock: Clock;
  readonly #doubt: Pick<PresenceDoubt, 'isInDoubt'>;

  constructor(registry: Pick<Registry, 'lookup' | 'scan'>, clock: Clock, doubt: Pick<PresenceDoubt, 'isInDoubt'>) {
    this.#registry = registry;
    this.#clock = clock;
    this.#doubt = doubt;
  }

  /** Routes of those of these endpoints that are connected; `undefined` when the registry does not say it in time. */
  async of(org: OrgId, endpoints: readonly EndpointKey[]): Promise<RouteMap | undefined> {
    if (endpoints.length >= SCAN_FROM) return this.#scan(org, (page) => this.#inTime(page));
    const routes = new Map<number, Route>();
    for (let from = 0; from < endpoints.length; from += SLICE) {
      const slice = endpoints.slice(from, from + SLICE);
      const found = await this.#inTime(this.#registry.lookup(slice.map(({ agentId }) => agentId)));
      if (found?.kind !== 'found') return undefined;
      for (const { agentId, num } of slice) {
        const session = found.agents.get(agentId)?.session;
        if (session !== undefined) routes.set(num, { gateway: session.gatewayId as GatewayId, mode: session.mode });
      }
    }
    return routes;
  }

  /** All connected endpoints of an org; `undefined` when the registry cannot be asked, or may take connected ones for gone. */
  async all(org: OrgId): Promise<RouteMap | undefined> {
    const routes = await this.#scan(org, (page) => page);
    return (await this.#doubt.isInDoubt()) ? undefined : routes;
  }

  async #scan(org: OrgId, next: (page: Promise<PageResult>) => Promise<PageResult | undefined>) {
    const routes = new Map<number, Route>();
    const pages = this.#registry.scan(org)[Symbol.asyncIterator]();
    for (;;) {
      const page = await next(pages.next());
      if (page?.done === true) return routes;
      if (page?.value.kind !== 'page') return undefined;
      for (const { num, gatewayId, mode } of page.value.entries) {
        routes.set(num, { gateway: gatewayId as GatewayId, mode });
      }
    }
  }

  async #inTime<T>(answer: Promise<T>): Promise<T | undefined> {
    const answered = new AbortController();
    const tooLate = sleep(this.#clock, PATIENCE_MS, answered.signal).then(() => undefined);
    try {
      return await Promise.race([answer, tooLate]);
    } finally {
      answered.abort();
    }
  }
}

/**
 * Routes that were looked up at the submission of a command, until its first entry is read back from the journal: the
 * reconciler need not look them up again. When a route is out of date the gateway reports the agent as missing.
 */
export class FreshRoutes {
  readonly #byCommand = new Map<CommandId, RouteMap>();

  get size(): number {
    return this.#byCommand.size;
  }

  keep(id: CommandId, routes: RouteMap | undefined): void {
    if (routes !== undefined) this.#byCommand.set(id, routes);
  }

  take(id: CommandId): RouteMap | undefined {
    const routes = this.#byCommand.get(id);
    this.#byCommand.delete(id);
    return routes;
  }
}
