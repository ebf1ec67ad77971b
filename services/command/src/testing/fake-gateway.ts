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
import type { AgentId, GatewayId } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import type { FakeAgent, FakeReport } from './fake-agent.js';
import type { FakeRegistry } from './fake-registry.js';

type Told = DeliverCommand | CancelDelivery | ReportsKept;

/** A gateway as the command service sees it over the bus. */
export class FakeGateway {
  readonly id: GatewayId;
  /** All that it was told, oldest first. */
  readonly told: Told[] = [];
  readonly #bus: Bus;
  readonly #registry: FakeRegistry | undefined;
  /** How a frame travels to an agent; `undefined` when it gets lost. */
  readonly #link: (deliver: () => void) => void;
  readonly #sessions = new Map<AgentId, FakeAgent>();
  readonly #known = new Set<string>();
  readonly #subscriptions: BusSubscription[];
  #reports: CommandReport[] = [];

  constructor(options: {
    readonly bus: Bus;
    readonly id: string;
    readonly registry?: FakeRegistry;
    readonly link?: (deliver: () => void) => void;
  }) {
    const { bus, id, registry, link = (deliver) => deliver() } = options;
    this.#bus = bus;
    this.id = id as GatewayId;
    this.#registry = registry;
    this.#link = link;
    this.#subscriptions = [
      bus.subscribe(SUBJECTS.gatewayCommands(this.id), ({ data }) => this.#tell(data)),
      bus.subscribe(SUBJECTS.allGatewayCommands, ({ data }) => this.#tell(data)),
      bus.subscribe(SUBJECTS.commandHeartbeats, ({ data }) => {
        const beat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
        if (beat === undefined || this.#known.has(beat.instance)) return;
        this.#known.add(beat.instance);
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
      this.#registry?.held.set(agent.agentId, { org: agent.org, num: agent.num, gatewayId: this.id });
      agent.connected((report) => this.#link(() => this.#report(agent, report)));
    }
    this.#arrived(agents);
  }

  /** A session of which nobody tells the command services. */
  connectSilently(agent: FakeAgent): void {
    this.#sessions.set(agent.agentId, agent);
    agent.connected((report) => this.#link(() => this.#report(agent, report)));
  }

  disconnect(agent: FakeAgent): void {
    this.#sessions.delete(agent.agentId);
    agent.report = undefined;
    if (this.#registry?.held.get(agent.agentId)?.gatewayId === this.id) this.#registry.held.delete(agent.agentId);
  }

  announce(): void {
    this.#arrived(this.agents);
  }

  /** The process is gone; its agents notice. */
  die(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    for (const agent of this.agents) this.disconnect(agent);
  }

  #arrived(agents: readonly FakeAgent[]): void {
    if (agents.length === 0) return;
    const nums = encodeNumberSet(agents.map(({ num }) => num));
    this.#bus.publish(SUBJECTS.commandPresence, encodeBusMessage({ t: 'agents_arrived', gateway: this.id, nums }));
  }

  #tell(data: Uint8Array): void {
    const message = decodeBusMessage<Told>(data, 'command_deliver', 'command_cancel', 'command_kept');
    if (message === undefined) return;
    this.told.push(message);
    switch (message.t) {
      case 'command_deliver': {
        const missing: number[] = [];
        for (const [number, agentId, proof, binding] of message.targets) {
          const agent = this.#sessions.get(agentId);
          if (agent === undefined) missing.push(number);
          else
            this.#link(() =>
              agent.deliver({ id: message.id, jws: message.jws, keys: message.keys, number, proof, binding }),
            );
        }
        if (!message.broadcast && missing.length > 0) this.#missing(message.id, missing);
        return;
      }
      case 'command_cancel': {
        const missing: number[] = [];
        for (const [number, agentId] of message.targets) {
          const agent = this.#sessions.get(agentId);
          if (agent === undefined) missing.push(number);
          else this.#link(() => agent.cancel(message.id, number));
        }
        if (!message.broadcast && missing.length > 0) this.#missing(message.id, missing);
        return;
      }
      case 'command_kept':
        for (const [agentId, id, number] of message.items) {
          const agent = this.#sessions.get(agentId);
          if (agent !== undefined) this.#link(() => agent.kept(id, number));
        }
    }
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
