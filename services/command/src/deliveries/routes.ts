import type { Endpoint } from '@muster/directory';
import type { GatewayId, OrgId, CommandId } from '@muster/protocol';
import type { Registry } from '@muster/registry';

export interface Route {
  readonly gateway: GatewayId;
  readonly mode: 'live' | 'poll';
}

/** Routes of connected agents, by agent number. */
export type RouteMap = ReadonlyMap<number, Route>;

type EndpointKey = Pick<Endpoint, 'num' | 'agentId'>;

/** Endpoints per look-up, so that other work runs in between. */
const SLICE = 2_000;
/** From this many on a scan of all sessions of the org costs less than look-ups. */
const SCAN_FROM = 20_000;

/** Where agents are connected, as the registry says. It may be wrong or unavailable, and nothing durable depends on it. */
export class Routes {
  readonly #registry: Pick<Registry, 'lookup' | 'scan'>;

  constructor(registry: Pick<Registry, 'lookup' | 'scan'>) {
    this.#registry = registry;
  }

  /** Routes of those of these endpoints that are connected; `undefined` when the registry cannot be asked. */
  async of(org: OrgId, endpoints: readonly EndpointKey[]): Promise<RouteMap | undefined> {
    if (endpoints.length >= SCAN_FROM) return this.all(org);
    const routes = new Map<number, Route>();
    for (let from = 0; from < endpoints.length; from += SLICE) {
      const slice = endpoints.slice(from, from + SLICE);
      const found = await this.#registry.lookup(slice.map(({ agentId }) => agentId));
      if (found.kind === 'unavailable') return undefined;
      for (const { agentId, num } of slice) {
        const session = found.agents.get(agentId)?.session;
        if (session !== undefined) routes.set(num, { gateway: session.gatewayId as GatewayId, mode: session.mode });
      }
    }
    return routes;
  }

  /** All connected endpoints of an org; `undefined` when the registry cannot be asked. */
  async all(org: OrgId): Promise<RouteMap | undefined> {
    const routes = new Map<number, Route>();
    for await (const page of this.#registry.scan(org)) {
      if (page.kind === 'unavailable') return undefined;
      for (const { num, gatewayId, mode } of page.entries) routes.set(num, { gateway: gatewayId as GatewayId, mode });
    }
    return routes;
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
