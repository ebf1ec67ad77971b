import type { SimulatedProcess, World } from '../world/world.js';
import type { Link, LinkEvents } from './endpoint-link.js';
import type { GatewayNode } from './gateway-node.js';
import type { EndpointConnection } from './simulated-transport.js';

/** A session over Live: one connection to one gateway. */
export class LiveLink implements Link {
  readonly mode = 'live';
  #connection: EndpointConnection | undefined;

  constructor(
    world: World,
    {
      process,
      gateways,
      token,
      events,
    }: {
      readonly process: SimulatedProcess;
      readonly gateways: readonly GatewayNode[];
      readonly token: string;
      readonly events: LinkEvents;
    },
  ) {
    const gateway = world.random.pick(gateways).listening;
    if (gateway === undefined) {
      world.schedule(process, 0, events.lost);
      return;
    }
    const opened = (connection: EndpointConnection): void => {
      this.#connection = connection;
      events.heard();
    };
    const { received, heard, lost } = events;
    gateway.dial({ process, opened, received, heard, refused: lost, closed: lost }, token);
  }

  send(frame: Uint8Array): void {
    this.#connection?.send(frame);
  }

  ping(): void {
    this.#connection?.ping();
  }

  leave(): void {
    this.#connection?.close();
  }

  drop(): void {
    this.#connection?.drop();
  }
}
