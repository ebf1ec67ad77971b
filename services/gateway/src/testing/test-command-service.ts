import type { Broker } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type AgentsConnected,
  type AgentsNotHeld,
  type CancelDelivery,
  type CommandReport,
  type CommandReports,
  type DeliverCommand,
  type DeliveryTarget,
  type ReportsKept,
} from '@muster/messages';
import {
  newCommandServiceId,
  newCommandId,
  type AgentId,
  type CommandId,
  type GatewayId,
  type OrgId,
} from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ORG } from './gateway-harness.js';

/** A command service that a test drives: it keeps everything that gateways send. */
export class TestCommandService {
  readonly id = newCommandServiceId();
  readonly arrivals: { gateway: GatewayId; nums: number[] }[] = [];
  readonly missing: { gateway: GatewayId; id: CommandId; targets: number[] }[] = [];
  readonly reports: CommandReport[] = [];
  readonly #broker: Broker;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  async start(): Promise<this> {
    const { bus } = this.#broker;
    bus.subscribe(SUBJECTS.commandPresence, ({ data }) => {
      const message = decodeBusMessage<AgentsConnected | AgentsNotHeld>(data, 'agents_arrived', 'agents_missing');
      if (message?.t === 'agents_arrived') {
        this.arrivals.push({ gateway: message.gateway, nums: decodeNumberSet(message.nums) });
      } else if (message !== undefined) {
        this.missing.push({ ...message, targets: decodeNumberSet(message.targets) });
      }
    });
    bus.subscribe(SUBJECTS.commandReports, ({ data }) => {
      const message = decodeBusMessage<CommandReports>(data, 'command_reports');
      this.reports.push(...(message?.reports ?? []));
    });
    await bus.flush();
    return this;
  }

  heartbeat(keys = ''): void {
    this.#say(SUBJECTS.commandHeartbeats, { t: 'command_beat', instance: this.id, stopping: false, keys });
  }

  /** Gives a command to agents, through one gateway or all of them; returns its id. */
  deliver(agentIds: readonly AgentId[], to?: GatewayId): CommandId {
    const id = newCommandId(Date.now());
    const targets = agentIds.map((agentId, i): DeliveryTarget => [i + 1, agentId, new Uint8Array(32), null]);
    this.#command(to, { ...this.#head(id, to), t: 'command_deliver', jws: 'j', keys: 'k', targets });
    return id;
  }

  cancel(id: CommandId, agentIds: readonly AgentId[], to?: GatewayId): void {
    const targets = agentIds.map((agentId, i) => [i + 1, agentId] as const);
    this.#command(to, { ...this.#head(id, to), t: 'command_cancel', targets });
  }

  keep(reports: readonly CommandReport[], to?: GatewayId): void {
    const items = reports.map(({ agentId, id, number }) => [agentId, id, number] as const);
    this.#command(to, { t: 'command_kept', items });
  }

  reportsOf(agentId: AgentId): CommandReport[] {
    return this.reports.filter((report) => report.agentId === agentId);
  }

  /** The gateway that announced this agent last, as soon as one has. */
  async gatewayOf(num: number): Promise<GatewayId> {
    const find = () => this.arrivals.findLast(({ nums }) => nums.includes(num))?.gateway;
    await this.until(() => find() !== undefined);
    return find() ?? ('' as GatewayId);
  }

  /** Resolves when the condition holds. */
  async until(holds: () => boolean): Promise<void> {
    await eventually(holds);
  }

  #head(id: CommandId, to: GatewayId | undefined) {
    return { id, org: ORG as OrgId, broadcast: to === undefined };
  }

  #command(to: GatewayId | undefined, message: DeliverCommand | CancelDelivery | ReportsKept): void {
    this.#say(to === undefined ? SUBJECTS.allGatewayCommands : SUBJECTS.gatewayCommands(to), message);
  }

  #say(subject: string, message: Parameters<typeof encodeBusMessage>[0]): void {
    this.#broker.bus.publish(subject, encodeBusMessage(message));
  }
}
