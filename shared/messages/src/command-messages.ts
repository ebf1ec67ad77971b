import type { AgentId, Binding, CommandId, CommandServiceId, GatewayId, OrgId, ReportedState } from '@muster/protocol';
import type { Traced } from './traced.js';

/**
 * What command services and gateways say to each other. The bus delivers at most once and in any order, so senders repeat and receivers
 * ignore duplicates.
 */

/** Command service → one gateway, or all of them when it is not known which one holds an agent: deliver to these sessions. */
export interface DeliverCommand extends Traced {
  readonly t: 'command_deliver';
  readonly id: CommandId;
  readonly org: OrgId;
  readonly jws: string;
  readonly keys: string;
  readonly targets: readonly DeliveryTarget[];
  /** Sent to all gateways: those that do not hold a target do not reply. */
  readonly broadcast: boolean;
}

/** `proof` holds the sibling hashes from the leaf up to the root of the target tree, 32 bytes each. */
export type DeliveryTarget = readonly [number: number, agentId: AgentId, proof: Uint8Array, binding: Binding | null];

/** Command service → one or all gateways: tell these agents to stop the command, or not to start it. */
export interface CancelDelivery {
  readonly t: 'command_cancel';
  readonly id: CommandId;
  readonly org: OrgId;
  readonly targets: readonly (readonly [number: number, agentId: AgentId])[];
  readonly broadcast: boolean;
}

/** Command service → gateway: these reports are in the journal; agents can stop repeating them. */
export interface ReportsKept {
  readonly t: 'command_kept';
  readonly items: readonly (readonly [agentId: AgentId, id: CommandId, number: number])[];
}

/** Gateway → any one command service, one that it hears or through the queue group: what agents report. */
export interface CommandReports {
  readonly t: 'command_reports';
  readonly gateway: GatewayId;
  readonly reports: readonly CommandReport[];
}

export interface CommandReport {
  /** The org of the session it came on, set by the gateway and not by the agent. */
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly num: number;
  readonly id: CommandId;
  readonly number: number;
  readonly state: ReportedState;
  readonly code: string;
  readonly message: string;
  readonly effects?: readonly string[];
  /** False when the agent refused the command before it had verified the signature: the command may be forged. */
  readonly authentic: boolean;
}

/** Gateway → all command services: these sessions have just become ready and take commands. */
export interface AgentsConnected {
  readonly t: 'agents_arrived';
  readonly gateway: GatewayId;
  /** A number set. */
  readonly nums: Uint8Array;
}

/** Gateway → all command services: this gateway does not hold these targets, or not any more. */
export interface AgentsNotHeld {
  readonly t: 'agents_missing';
  readonly gateway: GatewayId;
  readonly id: CommandId;
  /** A number set of target numbers. */
  readonly targets: Uint8Array;
}

/**
 * Command service → everyone, every second. A gateway that hears an instance for the first time announces all its sessions. So an instance
 * that was away learns who has connected.
 */
export interface CommandServiceHeartbeat {
  readonly t: 'command_beat';
  readonly instance: CommandServiceId;
  readonly stopping: boolean;
  /** Its clock, for the terms of requests to it. Absent: it takes requests and reports from the queue group alone. */
  readonly nowMs?: number;
  /** The current signed key list; gateways pass it on in WELCOME. */
  readonly keys: string;
  /** For how long the outcomes that it was told could be kept. Absent: as far back as it knows. */
  readonly keepsForMs?: number;
  /** Of the program; absent in versions that did not say. */
  readonly version?: string;
}

export type CommandBusMessage =
  | DeliverCommand
  | CancelDelivery
  | ReportsKept
  | CommandReports
  | AgentsConnected
  | AgentsNotHeld
  | CommandServiceHeartbeat;
