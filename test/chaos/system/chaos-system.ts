import { join } from 'node:path';
import type { Program } from '@muster/local';
import type { TestBroker } from '@muster/testkit';
import { startHaproxy, type LoadBalancer } from '../../kit/haproxy.js';
import { fleetOptions, onChannel, startHarness, type Harness } from '../../kit/harness.js';
import { FleetProcess } from '../../load/fleet/fleet-process.js';
import type { ChannelBehaviour, CommandBehaviour } from '../../simulator/index.js';
import { PARTS, type Part } from './parts.js';

/** How endpoints find the gateways: through one HAProxy, or by a list of their addresses. */
export const FRONTS = ['haproxy', 'list'] as const;
export type Front = (typeof FRONTS)[number];

export interface SystemOptions {
  readonly agents: number;
  readonly front: Front;
  /** The channel of the endpoints; mixed: every second one polls. Default: live. */
  readonly mode?: ChannelBehaviour['mode'];
  readonly commands?: Partial<CommandBehaviour>;
  readonly onEvent: (text: string) => void;
}

/** A share of endpoints takes this long for an answer, on average, so that faults strike queries that run. */
const SLOW = { share: 0.2, ms: 3_000 };
const COMMANDS = { runMs: [0, 400], failing: 0.05 } as const;

/** The whole product as processes, with simulated endpoints in a process of their own. */
export class ChaosSystem {
  readonly harness: Harness;
  readonly fleet: FleetProcess;
  readonly #balancer: LoadBalancer | undefined;

  private constructor(harness: Harness, fleet: FleetProcess, balancer: LoadBalancer | undefined) {
    this.harness = harness;
    this.fleet = fleet;
    this.#balancer = balancer;
  }

  static async start({
    agents,
    front,
    mode = 'live',
    commands = COMMANDS,
    onEvent,
  }: SystemOptions): Promise<ChaosSystem> {
    const harness = await startHarness({
      ...{ gateways: 2, queries: 2, commands: 2, restart: true, onEvent },
      env: { gateway: { MUSTER_TRUSTED_PROXIES: '127.0.0.1' } },
    });
    let balancer: LoadBalancer | undefined;
    try {
      if (front === 'haproxy') balancer = await startHaproxy(hostsOf(harness));
      const options = fleetOptions(harness);
      const fleet = await FleetProcess.start({
        t: 'fleet',
        keysFile: join(harness.stack.folder, 'fleet.json'),
        options: {
          ...options,
          gateways: balancer === undefined ? options.gateways : [`ws://${balancer.address}`],
          ...onChannel(mode),
          agents,
          behaviour: { slow: SLOW.share },
          slowMs: SLOW.ms,
          commands,
        },
      });
      return new ChaosSystem(harness, fleet, balancer);
    } catch (error) {
      await balancer?.stop();
      await harness.close();
      throw error;
    }
  }

  program(part: Part): Program | undefined {
    return this.#programs.find(({ name }) => name === part);
  }

  broker(part: Part): TestBroker | undefined {
    const { nats, redis } = this.harness.brokers;
    return part === 'nats' ? nats : part === 'redis' ? redis : undefined;
  }

  /** Whether every program runs and says that it is ready. */
  async isReady(): Promise<boolean> {
    const answers = this.#programs.map(async ({ pid, healthUrl }) => {
      if (pid === -1) return false;
      const response = await fetch(`${healthUrl}/readyz`, { signal: AbortSignal.timeout(2_000) });
      await response.arrayBuffer();
      return response.status === 200;
    });
    return (await Promise.all(answers)).every(Boolean);
  }

  /** Lets everything that is frozen go on. */
  async resume(): Promise<void> {
    for (const part of PARTS) {
      this.program(part)?.signal('SIGCONT');
      await this.broker(part)?.resume();
    }
  }

  async stop(): Promise<void> {
    await this.resume();
    await this.fleet.stop();
    await this.#balancer?.stop();
    await this.harness.close();
  }

  get #programs(): readonly Program[] {
    const { gateways, queries, commands, apis } = this.harness.stack;
    return [...gateways, ...queries, ...commands, ...apis];
  }
}

function hostsOf({ stack }: Harness): [string, string] {
  const [first = '', second = ''] = stack.gateways.map(({ url }) => url.replace('ws://', ''));
  return [first, second];
}
