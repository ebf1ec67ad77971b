import { findAction } from '@muster/actions';
import type { Binding, Params } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime/program';
import type { ActionCall, ActionHost, JsonValue, ProgramResult, RunOptions } from '../contract/action.js';
import { createActions } from '../create-actions.js';
import { Protection } from '../contract/protection.js';
import { runProgram } from '../contract/run-program.js';

/** A host over a folder of the test's own; whatever is not said is this machine's. */
export function fixtureHost(dataDir: string, host: Partial<ActionHost> = {}): ActionHost {
  return {
    platform: 'linux',
    dataDir,
    run: (file, args, options) => runProgram(file, args, options),
    protect: new Protection([], 'linux'),
    gatewayPeers: () => [],
    labels: { read: () => ({}), write: () => {} },
    logger: silentLogger,
    clock: systemClock,
    ...host,
  };
}

export interface CallFixture {
  readonly params?: Params;
  readonly binding?: Binding;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly id?: string;
  readonly number?: number;
}

/** A call of an action of the catalogue, and what it kept for an undo. */
export function fixtureCall(
  host: ActionHost,
  name: string,
  call: CallFixture = {},
): ActionCall & { kept: JsonValue[] } {
  const action = findAction(name);
  if (action === undefined) throw new Error(`there is no action ${name}`);
  const kept: JsonValue[] = [];
  return {
    action,
    params: {},
    dryRun: false,
    signal: new AbortController().signal,
    id: 'command1',
    number: 1,
    ...call,
    host,
    kept,
    keepUndo: (info) => kept.push(info),
  };
}

/** Runs an action of the catalogue as the agent does. */
export function runAction(
  host: ActionHost,
  name: string,
  call?: CallFixture,
): ReturnType<ReturnType<typeof createActions>['run']> {
  return createActions(host).run(fixtureCall(host, name, call));
}

/** One run of a program that a recording has: the exact argument vector, and what it printed. */
export interface RecordedRun {
  readonly argv: readonly string[];
  /** Checked where it is given. */
  readonly input?: string | ((text: string) => boolean);
  readonly code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/**
 * A `run` that plays recorded programs in their order, and fails the test at the first command line that is not the recorded one. `rest` is what was
 * not run.
 */
export function playback(recorded: readonly RecordedRun[]): ActionHost['run'] & { readonly rest: RecordedRun[] } {
  const rest = [...recorded];
  const run = async (file: string, args: readonly string[], { input }: RunOptions): Promise<ProgramResult> => {
    const next = rest.shift();
    const said = JSON.stringify([file, ...args]);
    if (next === undefined || said !== JSON.stringify(next.argv)) {
      throw new Error(`not recorded: ${said}${next === undefined ? '' : `, but ${JSON.stringify(next.argv)}`}`);
    }
    const fits = typeof next.input === 'function' ? next.input(input ?? '') : (next.input ?? input) === input;
    if (!fits) throw new Error(`${said} got other input: ${input}`);
    return { code: next.code ?? 0, stdout: next.stdout ?? '', stderr: next.stderr ?? '' };
  };
  return Object.assign(run, { rest });
}
