import {
  type AgentId,
  type Binding,
  type CommandId,
  type CommandLedger,
  type ErrorCode,
  type OrgId,
  type Params,
  decodeCbor,
  encodeCborUnsorted,
} from '@muster/protocol';
import type { CommandRecord, CommandStatus, Person, Role, Rollout } from '@muster/records';

/** What the API asks of a command service (any of them), and the replies. */

export type CommandTarget =
  | { readonly selector: string }
  | { readonly agentIds: readonly AgentId[] }
  | { readonly rows: readonly { readonly agentId: AgentId; readonly row: Binding }[] };

/** On whose behalf. `bound` is the operator's own selector, empty when there is none. */
export interface CommandCaller extends Person {
  readonly role: Role;
  readonly bound: string;
  /** The address the request came from, for the audit record. */
  readonly from: string;
}

export interface SubmitCommand {
  readonly t: 'submit';
  readonly org: OrgId;
  readonly caller: CommandCaller;
  readonly action: string;
  readonly params: Params;
  readonly target: CommandTarget;
  readonly dryRun: boolean;
  /** From now. */
  readonly expiresInMs: number;
  readonly timeoutMs?: number;
  readonly rollout?: Rollout;
  readonly reason?: string;
  readonly requestKey?: string;
  /** Reply when it has ended, or after so long. */
  readonly waitMs?: number;
}

export type CommandRequest =
  | SubmitCommand
  /** Validates, authorises and counts; journals nothing. */
  | (Omit<SubmitCommand, 't'> & { readonly t: 'plan' })
  | {
      readonly t: 'undo';
      readonly org: OrgId;
      readonly caller: CommandCaller;
      readonly id: CommandId;
      readonly dryRun: boolean;
      readonly expiresInMs: number;
      readonly reason?: string;
      readonly requestKey?: string;
    }
  | { readonly t: 'approve'; readonly org: OrgId; readonly caller: CommandCaller; readonly id: CommandId }
  | {
      readonly t: 'cancel';
      readonly org: OrgId;
      readonly caller: CommandCaller;
      readonly id: CommandId;
      readonly reason?: string;
    }
  /** Newest first; `before` is an id. */
  | {
      readonly t: 'list';
      readonly org: OrgId;
      readonly before?: CommandId;
      readonly limit: number;
      readonly status?: CommandStatus;
    };

/** A command without its targets. */
export interface CommandSummary {
  readonly record: Omit<CommandRecord, 'targets' | 'requestKey'>;
  readonly status: CommandStatus;
  readonly ledger: CommandLedger;
  readonly released: number;
  readonly approver?: Person;
  readonly cancel?: { readonly by: Person; readonly code: string; readonly message: string; readonly atMs: number };
  readonly endedAtMs?: number;
}

export type CommandReply =
  | {
      readonly t: 'command';
      readonly command: CommandSummary;
      /** An earlier request with the same key made it. */ readonly repeated: boolean;
    }
  | {
      readonly t: 'plan';
      readonly targets: number;
      readonly connected: number;
      readonly approval?: { readonly why: string; readonly role: Role };
      /** Targets by operating system that the action does not support. */
      readonly unsupported: number;
    }
  | { readonly t: 'list'; readonly commands: readonly CommandSummary[] }
  | {
      readonly t: 'problem';
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    };

export function encodeCommandWire(value: CommandRequest | CommandReply): Uint8Array {
  return encodeCborUnsorted(value);
}

/** Reads what {@link encodeCommandWire} wrote. Throws on bytes that are no CBOR map: inside one deployment that is a bug. */
export function decodeCommandWire<T extends CommandRequest | CommandReply>(bytes: Uint8Array): T {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null) throw new TypeError('not a command message');
  return value as T;
}
