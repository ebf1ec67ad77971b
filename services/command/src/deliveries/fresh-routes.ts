import type { CommandId } from '@muster/protocol';
import type { RouteMap } from './routes.js';

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

  /** Removes and returns the routes of a command. */
  take(id: CommandId): RouteMap | undefined {
    const routes = this.#byCommand.get(id);
    this.#byCommand.delete(id);
    return routes;
  }
}
