import type { CommandId } from '@muster/protocol';
import type { RouteMap } from './routes.js';

/**
 * Routes that were looked up for an order a moment ago, from its submission until its first entry comes back from the journal: whoever drives
 * it here need not ask the registry a second time. A route that is wrong by then costs what a wrong one always costs: the gateway says so.
 */
export class FreshRoutes {
  readonly #byCommand = new Map<CommandId, RouteMap>();

  get size(): number {
    return this.#byCommand.size;
  }

  keep(id: CommandId, routes: RouteMap | undefined): void {
    if (routes !== undefined) this.#byCommand.set(id, routes);
  }

  /** They are good for once. */
  take(id: CommandId): RouteMap | undefined {
    const routes = this.#byCommand.get(id);
    this.#byCommand.delete(id);
    return routes;
  }
}
