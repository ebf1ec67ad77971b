import type {
  AgentId,
  Binding,
  CommandId,
  CommandLedger,
  ErrorCode,
  OrgId,
  PackClaims,
  Params,
} from '@muster/protocol';
import type { CommandFold, CommandRecord, CommandStatus, Person, Role, Rollout } from '@muster/records';

/** Requests of the API to any command service, and the replies. */

export type CommandTarget =
  /** `among`, a number set, stands for what the selector requires of `health`: only these endpoints. */
  | { readonly selector: string; readonly among?: Uint8Array }
  | { readonly agentIds: readonly AgentId[] }
  | { readonly rows: readonly { readonly agentId: AgentId; readonly row: Binding }[] };

/** Who makes the request. `bound` is the operator's own selector, empty when there is none. */
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
  /** Time until it expires, from now. */
  readonly expiresInMs: number;
  readonly timeoutMs?: number;
  readonly rollout?: Rollout;
  readonly reason?: string;
  readonly requestKey?: string;
  /** Reply when the command has ended, or after this time. */
  readonly waitMs?: number;
}

/** Limits and rules of approval, as the policy file has them. */
export interface CommandPolicy {
  readonly limits: readonly { readonly role: Role; readonly maxTargets: number }[];
  readonly approval: readonly {
    readonly actions?: readonly string[];
    readonly minTargets?: number;
    readonly selector?: string;
    readonly role: Role;
    readonly independent?: true;
  }[];
  /** Absent: packs are applied by one person. */
  readonly packs?: { readonly independent?: true };
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
  /**
   * Vouches for a pack of checks. Needs the role admin; journals nothing. Where the policy asks for a second person the
   * first request has a proposal as answer, which is signed; with it, the request of another admin has the pack signed
   * with both names.
   */
  | {
      readonly t: 'sign_pack';
      readonly org: OrgId;
      readonly caller: CommandCaller;
      readonly pack: Pick<PackClaims, 'pack' | 'version' | 'hash' | 'checks'>;
      /** SHA-256 of its text. Absent of an API of the version before. */
      readonly digest?: string;
      readonly proposal?: string;
    }
  /** The policy that is in force. */
  | { readonly t: 'policy'; readonly org: OrgId }
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
      /** True when an earlier request with the same key made this command. */
      readonly repeated: boolean;
    }
  | {
      readonly t: 'plan';
      readonly targets: number;
      readonly connected: number;
      readonly approval?: { readonly why: string; readonly role: Role };
      /** Targets by operating system that the action does not support. */
      readonly unsupported: number;
    }
  | { readonly t: 'pack_signed'; readonly jws: string; readonly keys: string; readonly proposer?: Person }
  | { readonly t: 'pack_waits'; readonly proposal: string; readonly why: string }
  | { readonly t: 'policy'; readonly policy: CommandPolicy }
  | { readonly t: 'list'; readonly commands: readonly CommandSummary[] }
  | {
      readonly t: 'problem';
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    };

/** The summary that lists show; of a command that has ended, only this stays in memory. */
export function summaryOf(fold: CommandFold): CommandSummary {
  const { targets: _targets, requestKey: _requestKey, ...record } = fold.record;
  const { signature, cancel, endedAtMs } = fold;
  return {
    record,
    status: fold.status,
    ledger: fold.ledger,
    released: fold.released,
    ...(signature?.approver === undefined ? {} : { approver: signature.approver }),
    ...(cancel === undefined
      ? {}
      : { cancel: { by: cancel.by, code: cancel.code, message: cancel.message, atMs: cancel.atMs } }),
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
  };
}
