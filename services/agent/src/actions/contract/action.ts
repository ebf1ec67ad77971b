import type { ActionDefinition, ActionPlatform } from '@muster/actions';
import type { Binding, Labels, Params } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import type { Protection } from './protection.js';

/** What an action keeps to be undone. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** One run of an action on this endpoint. */
export interface ActionCall {
  readonly action: ActionDefinition;
  readonly params: Params;
  /** The row that it is bound to: it acts on that thing or not at all. */
  readonly binding?: Binding;
  /** Says what it would do and changes nothing. */
  readonly dryRun: boolean;
  /** Cancelled, or out of time: then its reason is a `TimeoutError`, as that of `AbortSignal.timeout` is. */
  readonly signal: AbortSignal;
  /** The command, and which of its targets this is. */
  readonly id: string;
  readonly number: number;
  /** Durable before it returns; called BEFORE anything is changed. */
  keepUndo(info: JsonValue): void;
  readonly host: ActionHost;
}

/** The machine, as actions see it. */
export interface ActionHost {
  readonly platform: ActionPlatform;
  readonly dataDir: string;
  /** Runs a program; never through a shell. */
  run(file: string, args: readonly string[], options: RunOptions): Promise<ProgramResult>;
  readonly protect: Protection;
  /** Both ends of what the agent has open to gateways now, and those that it would go to next. Hosts are addresses or names. */
  gatewayPeers(): readonly { readonly host: string; readonly port: number }[];
  /** The labels that the agent says of itself: those of its configuration, and what was ordered since, which wins. */
  readonly labels: { read(): Labels; write(labels: Labels): void };
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface RunOptions {
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** Ten seconds unless said. */
  readonly timeoutMs?: number;
  /** `ignore` for what starts a daemon: a pipe that the daemon inherits would break under it when the agent ends. */
  readonly output?: 'ignore';
  /** Besides the few that every program gets. */
  readonly env?: Readonly<Record<string, string>>;
}

/** `code` as shells have it: 124 when its time ran out, 127 when there is no such program, 128 and the signal's number after a signal. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ActionResult {
  readonly state: 'succeeded' | 'failed' | 'refused' | 'unsupported' | 'cancelled' | 'timed_out';
  /** One word for programs, such as `changed` or `protected`. */
  readonly code: string;
  /** One sentence for people. */
  readonly message: string;
  /** What was done, or would be: one line each. */
  readonly effects?: readonly string[];
}

export type ActionRunner = (call: ActionCall) => Promise<ActionResult>;
export type UndoRunner = (call: ActionCall, kept: JsonValue) => Promise<ActionResult>;

/** How one platform runs an action, and undoes it where that can be done. */
export interface ActionImplementation {
  readonly run: ActionRunner;
  readonly undo?: UndoRunner;
}
/** By the action's name. */
export type ActionImplementations = Readonly<Record<string, ActionImplementation>>;
