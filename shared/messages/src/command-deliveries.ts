import {
  type AgentId,
  type Binding,
  type CommandId,
  type CommandServiceId,
  type GatewayId,
  type OrgId,
  type ReportedState,
  encodeCborUnsorted,
} from '@muster/protocol';

/** What command services and gateways say to each other. At most once, in any order, so everything may be said again. */

/** Service → one gateway, or all of them when nobody knows who holds an agent: give these to your sessions. */
export interface DeliverCommand {
  readonly t: 'command_deliver';
  readonly id: CommandId;
  readonly org: OrgId;
  readonly jws: string;
  readonly keys: string;
  readonly targets: readonly DeliveryTarget[];
  /** Sent to all gateways: those that do not hold a target say nothing. */
  readonly broadcast: boolean;
}

/** `proof`: neighbours in the tree, 32 bytes each. */
export type DeliveryTarget = readonly [number: number, agentId: AgentId, proof: Uint8Array, binding: Binding | null];

/** Service → gateway(s): tell these to stop it, or not to begin. */
export interface CancelDelivery {
  readonly t: 'command_cancel';
  readonly id: CommandId;
  readonly org: OrgId;
  readonly targets: readonly (readonly [number: number, agentId: AgentId])[];
  readonly broadcast: boolean;
}

/** Service → gateway: these outcomes are in the journal; agents can stop repeating them. */
export interface ReportsKept {
  readonly t: 'command_kept';
  readonly items: readonly (readonly [agentId: AgentId, id: CommandId, number: number])[];
}

/** Gateway → any one service (queue group): what agents report. */
export interface CommandReports {
  readonly t: 'command_reports';
  readonly gateway: GatewayId;
  readonly reports: readonly CommandReport[];
}

export interface CommandReport {
  /** Of the session that it came on: the gateway's word, not the agent's. */
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly num: number;
  readonly id: CommandId;
  readonly number: number;
  readonly state: ReportedState;
  readonly code: string;
  readonly message: string;
  readonly effects?: readonly string[];
  /** False when the agent refused it before it believed the signature: anybody may have made it up. */
  readonly authentic: boolean;
}

/** Gateway → all services: these sessions have just become ready and take commands. */
export interface AgentsConnected {
  readonly t: 'agents_arrived';
  readonly gateway: GatewayId;
  /** A number set. */
  readonly nums: Uint8Array;
}

/** Gateway → all services: I do not hold these (any more). */
export interface AgentsNotHeld {
  readonly t: 'agents_missing';
  readonly gateway: GatewayId;
  readonly id: CommandId;
  /** A number set of target numbers. */
  readonly targets: Uint8Array;
}

/**
 * Service → everyone, every second. A gateway that hears an instance for the first time announces all its sessions, so that what was missed
 * while nobody listened is found.
 */
export interface CommandServiceHeartbeat {
  readonly t: 'command_beat';
  readonly instance: CommandServiceId;
  readonly stopping: boolean;
  /** The signed key list that is current; gateways pass it on in WELCOME. */
  readonly keys: string;
}

export type CommandBusMessage =
  | DeliverCommand
  | CancelDelivery
  | ReportsKept
  | CommandReports
  | AgentsConnected
  | AgentsNotHeld
  | CommandServiceHeartbeat;

/** Read with `decodeBusMessage`. */
export function encodeCommandBus(message: CommandBusMessage): Uint8Array {
  return encodeCborUnsorted(message);
}
