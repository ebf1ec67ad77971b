import type { Binding, CommandLedger, CommandState, Params, ParamValue } from '@muster/protocol';
import type { CommandStatus } from '@muster/records';

/** The API's JSON of actions and commands, as far as the CLI reads it; `/v1/openapi.json` describes all of it. */

export interface RowShapeJson {
  readonly table: string;
  readonly required: readonly string[];
  readonly optional: readonly string[];
  readonly integers?: readonly string[];
  readonly hashed?: readonly string[];
}

/** The JSON Schema of one parameter, as far as what is typed depends on it. */
export interface ParamSchemaJson {
  readonly type?: string;
  readonly anyOf?: readonly ParamSchemaJson[];
  readonly enum?: readonly ParamValue[];
  readonly default?: ParamValue;
  readonly description?: string;
}

export interface ActionJson {
  readonly name: string;
  readonly summary: string;
  readonly params: {
    readonly properties?: Readonly<Record<string, ParamSchemaJson>>;
    readonly required?: readonly string[];
  };
  readonly platforms: readonly string[];
  readonly reversible: boolean;
  readonly destructive: boolean;
  readonly object?: readonly { readonly required: readonly string[]; readonly optional: readonly string[] }[];
  readonly binds?: RowShapeJson;
  readonly bindsToo?: readonly RowShapeJson[];
  readonly timeoutMs: number;
}

export interface PersonJson {
  readonly id: string;
  readonly name: string;
}

export interface CommandJson {
  readonly id: string;
  readonly status: CommandStatus;
  readonly action: string;
  readonly params: Params;
  readonly dryRun: boolean;
  /** What was asked for, for people. */
  readonly target: string;
  readonly ledger: CommandLedger;
  readonly released: number;
  readonly rollout?: {
    readonly canary: number;
    readonly step: number | string;
    readonly pauseMs: number;
    readonly abortOver: number;
  };
  readonly reason?: string;
  readonly operator: PersonJson & { readonly role: string };
  readonly approval?: { readonly why: string; readonly role: string };
  readonly approver?: PersonJson;
  readonly undoes?: string;
  readonly submittedAt: string;
  readonly expiresAt: string;
  readonly timeoutMs: number;
  readonly endedAt?: string;
  readonly cancel?: {
    readonly by: PersonJson;
    readonly code: string;
    readonly message: string;
    readonly at: string;
  };
  /** Of a submit: an earlier one with the same idempotency key made it. */
  readonly repeated?: boolean;
}

export interface TargetJson {
  readonly number: number;
  readonly agentId: string | null;
  readonly host: string | null;
  readonly state: CommandState;
  readonly code: string;
  readonly message: string;
  readonly effects?: readonly string[];
  readonly at?: string;
  /** What it reported after it had settled otherwise: what really happened, too late to count. */
  readonly late?: { readonly state: CommandState; readonly message: string };
}

/** What a command would do if it were submitted now. */
export interface PlanJson {
  readonly targets: number;
  readonly connected: number;
  readonly unsupported: number;
  readonly approval?: { readonly why: string; readonly role: string };
}

export type TargetSpec =
  | { readonly selector: string }
  | { readonly agentIds: readonly string[] }
  | { readonly rows: readonly { readonly agentId: string; readonly row: Binding }[] }
  | { readonly query: string };

/** An order as the API takes it. */
export interface CommandBody {
  readonly action: string;
  readonly params: Params;
  readonly target: TargetSpec;
  readonly dryRun: boolean;
  readonly expiresIn?: string;
  readonly timeout?: string;
  readonly rollout?: RolloutBody;
  readonly reason?: string;
}

export interface RolloutBody {
  readonly canary?: number;
  readonly step?: number | string;
  readonly pause?: string;
  readonly abortOver?: string;
}

export type CommandEvent =
  | { readonly event: 'command'; readonly seq: number | null; readonly command: CommandJson }
  | { readonly event: 'targets'; readonly seq: number | null; readonly targets: readonly TargetJson[] }
  | { readonly event: 'ledger'; readonly seq: number | null; readonly ledger: CommandLedger }
  | { readonly event: 'ended'; readonly seq: number | null; readonly command: CommandJson }
  | { readonly event: 'heartbeat' };
