import type { ActionDefinition, ActionPlatform } from '@muster/actions';
import type { Binding, Labels, Params } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import type { Protection } from './protection.js';

/** What an action saves so that it can be undone. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** One run of an action on this endpoint. */
export interface ActionCall {
  readonly action: ActionDefinition;
  readonly params: Params;
  /** The row that the action is bound to. The action runs on exactly that object or is refused. */
  readonly binding?: Binding;
  /** When true, the action reports what it would do and changes nothing. */
  readonly dryRun: boolean;
  /** Aborted on cancellation or timeout. On timeout its reason is a `TimeoutError`, like that of `AbortSignal.timeout`. */
  readonly signal: AbortSignal;
  /** The command id, and the number of this target in the command. */
  readonly id: string;
  readonly number: number;
  /** Stores the undo information durably. Must be called, and awaited, BEFORE the action changes anything. */
  keepUndo(info: JsonValue): void | Promise<void>;
  /**
   * Whoever runs the action elsewhere says here how to give it up: the function leaves it behind and returns the path
   * that it touched last.
   */
  onGivenUp?(giveUp: () => string | undefined): void;
  readonly host: ActionHost;
}

/** The machine as actions see it. */
export interface ActionHost {
  readonly platform: ActionPlatform;
  readonly dataDir: string;
  /** The agent's process, and its worker processes. */
  readonly agentPids: readonly number[];
  /**
   * Call before the first access to files at `path`. When the file system there does not answer, this is the path that
   * people are told. Throws an error with the code `hung_file_system` where earlier work hangs already.
   */
  touch(path: string): void;
  /** Runs a program directly, never through a shell. */
  run(file: string, args: readonly string[], options: RunOptions): Promise<ProgramResult>;
  readonly protect: Protection;
  /** Both ends of the agent's open connections to gateways, and the gateways it would connect to next. Hosts are addresses or names. */
  gatewayPeers(): readonly { readonly host: string; readonly port: number }[];
  /** The agent's own labels. Labels set by commands override those of the configuration. */
  readonly labels: { read(): Labels; write(labels: Labels): void };
  /** Queries that this endpoint refuses, by the beginning of their SHA-256; see the agent's denylist. */
  readonly refusedQueries: { matching(start?: string): readonly string[]; allow(start?: string): readonly string[] };
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface RunOptions {
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** Default 10 seconds. */
  readonly timeoutMs?: number;
  /** Use `ignore` to start a daemon. A pipe that the daemon inherits would break when the agent ends. */
  readonly output?: 'ignore';
  /** Added to the few variables that every program gets. */
  readonly env?: Readonly<Record<string, string>>;
}

/** `code` follows the shell: 124 after a timeout, 127 when the program does not exist, 128 plus the signal number after a signal. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ActionResult {
  readonly state: 'succeeded' | 'failed' | 'refused' | 'unsupported' | 'cancelled' | 'timed_out';
  /** A machine-readable word, such as `changed` or `protected`. */
  readonly code: string;
  /** One sentence for people. */
  readonly message: string;
  /** One line for each change that was made or would be made. */
  readonly effects?: readonly string[];
}

export type ActionRunner = (call: ActionCall) => Promise<ActionResult>;
export type UndoRunner = (call: ActionCall, kept: JsonValue) => Promise<ActionResult>;

/** How one platform runs an action, and how it undoes the action where that is possible. */
export interface ActionImplementation {
  readonly run: ActionRunner;
  readonly undo?: UndoRunner;
}
/** Keyed by the action's name. */
export type ActionImplementations = Readonly<Record<string, ActionImplementation>>;
