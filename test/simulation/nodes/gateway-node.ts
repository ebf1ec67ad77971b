import { loadGatewayConfig } from '@muster/gateway/config';
import { createGateway } from '@muster/gateway/gateway';
import type { SimulatedProcess, World } from '../world/world.js';
import { SIGNING_KEYS } from './identities.js';
import { parts, startInOrder, type Brokers } from './parts.js';
import { SimulatedTransport } from './simulated-transport.js';

/** Read once: deriving the names of enrolment secrets takes long, on purpose. */
const CONFIG = (() => {
  const loaded = loadGatewayConfig({
    MUSTER_NATS_URL: 'nats://simulated:1',
    MUSTER_REDIS_URL: 'redis://simulated:1',
    MUSTER_AGENT_TOKEN_KEYS: JSON.stringify(SIGNING_KEYS),
    MUSTER_ENROLL_SECRETS: 'acme=a-secret-for-enrolment',
    MUSTER_GATEWAY_MAX_CONNECTIONS: '1000',
  });
  if (!loaded.ok) throw loaded.error;
  return loaded.config;
})();

/** A gateway: the parts of production, on simulated brokers and sockets. */
export class GatewayNode {
  readonly process: SimulatedProcess;
  /** What it sent in sessions whose lease was over. */
  readonly late: string[] = [];
  readonly #world: World;
  readonly #brokers: Brokers;
  #transport: SimulatedTransport | undefined;

  constructor(world: World, name: string, brokers: Brokers) {
    this.#world = world;
    this.#brokers = brokers;
    this.process = world.process(name);
  }

  /** What listens for endpoints, once it does. */
  get listening(): SimulatedTransport | undefined {
    return this.#transport?.isListening === true && this.process.state !== 'down' ? this.#transport : undefined;
  }

  start(): void {
    this.#transport = undefined;
    this.#world.schedule(this.process, 0, () => void this.#run());
  }

  async #run(): Promise<void> {
    const { components } = await createGateway({
      ...parts(this.#world, this.process, this.#brokers),
      config: CONFIG,
      life: { draining: () => false, ready: () => true },
      openTransport: (_options, handlers) => {
        this.#transport = new SimulatedTransport(this.#world, this, handlers);
        return Promise.resolve(this.#transport);
      },
    });
    await startInOrder(components);
  }
}
