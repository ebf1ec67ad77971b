import { join } from 'node:path';
import type { Program, ProgramSettings } from '@muster/local';
import type { TestBroker } from '@muster/testkit';
import { startHaproxy, type LoadBalancer } from '../../kit/haproxy.js';
import { fleetOptions, onChannel, startHarness, type Harness } from '../../kit/harness.js';
import { FleetProcess } from '../../load/fleet/fleet-process.js';
import { FleetGroup } from './fleet-group.js';
import type { ChannelBehaviour, CommandBehaviour } from '../../simulator/index.js';
import { PARTS, type Part } from './parts.js';

/**
 * How endpoints find the gateways:
 *
 * - `haproxy`: through one HAProxy with the shipped configuration
 * - `passthrough`: through one that passes TCP on, with the shipped configuration but for TLS
 * - `tcp`: through a balancer that passes TCP on in turn and checks nothing
 * - `each`: a third of them through each of these three
 * - `list`: by a list of their addresses
 */
export type Front = 'haproxy' | 'passthrough' | 'tcp' | 'each' | 'list';

export interface SystemOptions {
  readonly agents: number;
  readonly front: Front;
  /** The channel of the endpoints; mixed: every second one polls. Default: live. */
  readonly mode?: ChannelBehaviour['mode'];
  readonly commands?: Partial<CommandBehaviour>;
  /** Settings of all gateways. */
  readonly gatewayEnv?: Readonly<Record<string, string>> | undefined;
  /** Settings of the second gateway besides. */
  readonly secondGatewayEnv?: Readonly<Record<string, string>> | undefined;
  /** The folder of the version before: everything starts as that one, and half of the endpoints stay it. */
  readonly from?: string | undefined;
  readonly env?: ProgramSettings | undefined;
  readonly onEvent: (text: string) => void;
}

type Hosts = readonly [string, string];
/** The gateways of these tests have no certificates. */
const WITHOUT_TLS = [
  ['tcp-request content accept if { req.ssl_hello_type 1 }', ''],
  ['tcp-request content reject', ''],
] as const;
const http = (hosts: Hosts) => startHaproxy(hosts);
const passthrough = (hosts: Hosts) =>
  startHaproxy(hosts, 'haproxy-passthrough.cfg', '', [...WITHOUT_TLS, ['check-ssl verify none ', '']]);
const tcp = (hosts: Hosts) =>
  startHaproxy(hosts, 'haproxy-passthrough.cfg', '', [
    ...WITHOUT_TLS,
    ['balance leastconn', 'balance roundrobin'],
    [
      'default-server check check-ssl verify none inter 1s fall 3 rise 1 slowstart 30s on-marked-down shutdown-sessions',
      '',
    ],
  ]);
const BALANCERS: Readonly<Record<Front, readonly ((hosts: Hosts) => Promise<LoadBalancer>)[]>> = {
  haproxy: [http],
  passthrough: [passthrough],
  tcp: [tcp],
  each: [http, passthrough, tcp],
  list: [],
};

/** A share of endpoints takes this long for an answer, on average, so that faults strike queries that run. */
const SLOW = { share: 0.2, ms: 3_000 };
const COMMANDS = { runMs: [0, 400], failing: 0.05 } as const;

/** The whole product as processes, with simulated endpoints in a process of their own. */
export class ChaosSystem {
  readonly harness: Harness;
  readonly fleet: FleetGroup;
  /** The programs of the version before, where the system began with it. */
  readonly servicesBefore: string | undefined;
  readonly #balancers: readonly LoadBalancer[];

  private constructor(
    harness: Harness,
    fleet: FleetGroup,
    balancers: readonly LoadBalancer[],
    servicesBefore?: string,
  ) {
    this.harness = harness;
    this.fleet = fleet;
    this.#balancers = balancers;
    this.servicesBefore = servicesBefore;
  }

  static async start({
    agents,
    front,
    mode = 'live',
    commands = COMMANDS,
    gatewayEnv = {},
    secondGatewayEnv = {},
    from,
    env = {},
    onEvent,
  }: SystemOptions): Promise<ChaosSystem> {
    const servicesBefore = from === undefined ? undefined : join(from, 'services');
    const harness = await startHarness({
      ...{ gateways: 1, queries: 2, commands: 2, restart: true, onEvent },
      env: { ...env, gateway: { MUSTER_TRUSTED_PROXIES: '127.0.0.1', ...gatewayEnv } },
      ...(servicesBefore === undefined ? {} : { services: servicesBefore, telemetries: 1, postures: 1 }),
    });
    const balancers: LoadBalancer[] = [];
    try {
      await harness.stack.addGateway(secondGatewayEnv);
      for (const start of BALANCERS[front]) balancers.push(await start(hostsOf(harness)));
      const [first, ...others] = balancers.map(({ address }) => `ws://${address}`);
      const options = fleetOptions(harness);
      const startFleet = (seed: number, count: number, root?: string): Promise<FleetProcess> =>
        FleetProcess.start(
          {
            t: 'fleet',
            keysFile: join(harness.stack.folder, `fleet-${seed}.json`),
            options: {
              ...options,
              gateways: first === undefined ? options.gateways : [first, ...others],
              ...onChannel(mode),
              ...{ agents: count, seed, commands, behaviour: { slow: SLOW.share }, slowMs: SLOW.ms },
            },
          },
          [],
          root,
        );
      const before = from === undefined ? 0 : Math.floor(agents / 2);
      const fleets = [await startFleet(1, agents - before)];
      if (from !== undefined) fleets.push(await startFleet(2, before, from));
      return new ChaosSystem(harness, new FleetGroup(fleets), balancers, servicesBefore);
    } catch (error) {
      await Promise.all(balancers.map((balancer) => balancer.stop()));
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
    await Promise.all(this.#balancers.map((balancer) => balancer.stop()));
    await this.harness.close();
  }

  get #programs(): readonly Program[] {
    const { gateways, queries, commands, telemetries, postures, apis } = this.harness.stack;
    return [...gateways, ...queries, ...commands, ...telemetries, ...postures, ...apis];
  }
}

function hostsOf({ stack }: Harness): [string, string] {
  const [first = '', second = ''] = stack.gateways.map(({ url }) => url.replace('ws://', ''));
  return [first, second];
}
