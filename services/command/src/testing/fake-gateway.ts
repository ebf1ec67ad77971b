import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type CancelDelivery,
  type CommandReport,
  type CommandServiceHeartbeat,
  type DeliverCommand,
  type ReportsKept,
} from '@muster/messages';
import type { AgentId, GatewayId, SessionMode } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import type { MemoryRegistry } from '@muster/testkit';
import type { FakeAgent, FakeReport } from './fake-agent.js';

type GatewayMessage = DeliverCommand | CancelDelivery | ReportsKept;

/** A gateway as the command service sees it over the bus. */
export class FakeGateway {
  readonly id: GatewayId;
  /** All messages from command services, oldest first. */
  readonly received: GatewayMessage[] = [];
  mode: SessionMode = 'live';
  readonly #bus: Bus;
  readonly #registry: MemoryRegistry | undefined;
  /** Carries a frame to an agent or back: may delay, repeat or drop it. */
  readonly #link: (deliver: () => void) => void;
  readonly #sessions = new Map<AgentId, FakeAgent>();
  readonly #known = new Set<string>();
  readonly #subscriptions: BusSubscription[];
  #reports: CommandReport[] = [];

  constructor(options: {
    readonly bus: Bus;
    readonly id: string;
    readonly registry?: MemoryRegistry;
    readonly link?: (deliver: () => void) => void;
  }) {
    const { bus, id, registry, link = (deliver) => deliver() } = options;
    this.#bus = bus;
    this.id = id as GatewayId;
    this.#registry = registry;
    this.#link = link;
    this.#subscriptions = [
      bus.subscribe(SUBJECTS.gatewayCommands(this.id), ({ data }) => this.#receive(data)),
      bus.subscribe(SUBJECTS.allGatewayCommands, ({ data }) => this.#receive(data)),
      bus.subscribe(SUBJECTS.commandHeartbeats, ({ data }) => {
        const heartbeat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
        if (heartbeat === undefined || this.#known.has(heartbeat.instance)) return;
        this.#known.add(heartbeat.instance);
        this.announce();
      }),
    ];
  }

  get agents(): readonly FakeAgent[] {
    return [...this.#sessions.values()];
  }

  connect(...agents: readonly FakeAgent[]): void {
    for (const agent of agents) {
      this.#sessions.set(agent.agentId, agent);
      this.register(agent);
      agent.connected((report) => this.#link(() => this.#report(agent, report)));
    }
    this.#arrived(agents);
  }

  /** Puts the agent's session into the registry, and does nothing else. */
  register({ org, agentId, num }: FakeAgent): void {
    this.#registry?.hold({ org, agentId, num, gatewayId: this.id, mode: this.mode });
  }

  /** A session that is not announced to the command services. */
  connectSilently(agent: FakeAgent): void {
    this.#sessions.set(agent.agentId, agent);
    agent.connected((report) => this.#link(() => this.#report(agent, report)));
  }

  disconnect(agent: FakeAgent): void {
    this.#sessions.delete(agent.agentId);
    agent.report = undefined;
    if (this.#registry?.store.entries.get(agent.agentId)?.gatewayId === this.id) this.#registry.release(agent.agentId);
  }

  announce(): void {
    this.#arrived(this.agents);
  }

  /** Ends it like a killed process; its agents are disconnected. */
  die(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    for (const agent of this.agents) this.disconnect(agent);
  }

  #arrived(agents: readonly FakeAgent[]): void {
    if (agents.length === 0) return;
    const nums = encodeNumberSet(agents.map(({ num }) => num));
    this.#bus.publish(SUBJECTS.commandPresence, encodeBusMessage({ t: 'agents_arrived', gateway: this.id, nums }));
  }

  #receive(data: Uint8Array): void {
    const message = decodeBusMessage<GatewayMessage>(data, 'command_deliver', 'command_cancel', 'command_kept');
    if (message === undefined) return;
    this.received.push(message);
    if (message.t === 'command_kept') {
      for (const [agentId, id, number] of message.items) this.#carry(agentId, (agent) => agent.acknowledge(id, number));
      return;
    }
    const missing: number[] = [];
    const { id } = message;
    if (message.t === 'command_deliver') {
      const { jws, keys } = message;
      for (const [number, agentId, proof, binding] of message.targets) {
        const isHeld = this.#carry(agentId, (agent) => agent.deliver({ id, jws, keys, number, proof, binding }));
        if (!isHeld) missing.push(number);
      }
    } else {
      for (const [number, agentId] of message.targets) {
        if (!this.#carry(agentId, (agent) => agent.cancel(id, number))) missing.push(number);
      }
    }
    if (!message.broadcast && missing.length > 0) this.#missing(id, missing);
  }

  /** False when the agent has no session here. */
  #carry(agentId: AgentId, act: (agent: FakeAgent) => void): boolean {
    const agent = this.#sessions.get(agentId);
    if (agent !== undefined) this.#link(() => act(agent));
    return agent !== undefined;
  }

  #missing(id: DeliverCommand['id'], numbers: readonly number[]): void {
    const targets = encodeNumberSet(numbers);
    this.#bus.publish(
      SUBJECTS.commandPresence,
      encodeBusMessage({ t: 'agents_missing', gateway: this.id, id, targets }),
    );
  }

  #report(agent: FakeAgent, report: FakeReport): void {
    if (this.#reports.length === 0) setImmediate(() => this.#flush());
    this.#reports.push({ ...report, org: agent.org, agentId: agent.agentId, num: agent.num });
  }

  #flush(): void {
    const all = this.#reports;
    this.#reports = [];
    for (let from = 0; from < all.length; from += 200) {
      const reports = all.slice(from, from + 200);
      this.#bus.publish(SUBJECTS.commandReports, encodeBusMessage({ t: 'command_reports', gateway: this.id, reports }));
    }
  }
}
