import { findAction } from '@muster/actions';
import type { Binding, Labels, Params } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime/program';
import type { ActionCall, ActionHost, ActionResult, JsonValue, ProgramResult } from '../contract/action.js';
import { Protection } from '../contract/protection.js';
import { runProgram } from '../contract/run-program.js';
import { createActions } from '../create-actions.js';

export type TestHostOptions = Partial<ActionHost> & { readonly protects?: readonly string[] };

/** A Linux host that runs real programs on this machine. `overrides` replaces parts of it. */
export function testHost({ protects = [], ...overrides }: TestHostOptions = {}): ActionHost {
  let labels: Labels = {};
  return {
    platform: 'linux',
    dataDir: '/nonexistent',
    agentPids: [process.pid],
    touch: () => {},
    run: (file, args, options) => runProgram(file, args, options),
    protect: new Protection(protects, overrides.platform ?? 'linux'),
    gatewayPeers: () => [],
    labels: { read: () => labels, write: (next) => void (labels = next) },
    refusedQueries: { matching: () => [], allow: () => [] },
    logger: silentLogger,
    clock: systemClock,
    ...overrides,
  };
}

export interface TestCallOptions {
  readonly params?: Params;
  readonly binding?: Binding;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly id?: string;
  readonly number?: number;
}

/** A call of an action of the catalogue. `kept` is what the action saved for its undo. */
export function testCall(
  host: ActionHost,
  name: string,
  options: TestCallOptions = {},
): ActionCall & { readonly kept: JsonValue[] } {
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
    ...options,
    host,
    kept,
    keepUndo: async (info) => void kept.push(info),
  };
}

/** Runs an action of the catalogue as the agent does. */
export function runAction(host: ActionHost, name: string, options?: TestCallOptions): Promise<ActionResult> {
  return createActions(host).run(testCall(host, name, options));
}

/** A host whose programs are recorded. `ran` lists the command lines that were run. */
export interface RecordedHost extends ActionHost {
  readonly ran: readonly string[];
}

/**
 * Answers each command line from a recording, in any order. A list of answers is used up one by one; the last answer
 * repeats. A command line that was not recorded ends with 127, like a program that is not installed.
 */
export function recordedHost(
  recording: Readonly<Record<string, Partial<ProgramResult> | readonly Partial<ProgramResult>[]>>,
  overrides: TestHostOptions = {},
): RecordedHost {
  const ran: string[] = [];
  const left = new Map(Object.entries(recording).map(([line, answer]) => [line, [answer].flat()]));
  return {
    ...testHost(overrides),
    run: (file, args) => {
      const line = [file, ...args].join(' ');
      ran.push(line);
      const answers = left.get(line);
      const answer = answers !== undefined && answers.length > 1 ? answers.shift() : answers?.[0];
      return Promise.resolve({ code: answer === undefined ? 127 : 0, stdout: '', stderr: '', ...answer });
    },
    ran,
  };
}

/** One recorded run of a program: its exact arguments, and what it printed. */
export interface RecordedRun {
  readonly argv: readonly string[];
  /** Checked when it is given. */
  readonly input?: string | ((text: string) => boolean);
  readonly code?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** Plays recorded runs in order. Throws at the first command line that is not the next recorded one. `rest` has the runs that are left. */
export function playback(recorded: readonly RecordedRun[]): ActionHost['run'] & { readonly rest: RecordedRun[] } {
  const rest = [...recorded];
  const run: ActionHost['run'] = async (file, args, { input }) => {
    const next = rest.shift();
    const commandLine = JSON.stringify([file, ...args]);
    if (next === undefined || commandLine !== JSON.stringify(next.argv)) {
      throw new Error(`not recorded: ${commandLine}${next === undefined ? '' : `, but ${JSON.stringify(next.argv)}`}`);
    }
    const fits = typeof next.input === 'function' ? next.input(input ?? '') : (next.input ?? input) === input;
    if (!fits) throw new Error(`${commandLine} got other input: ${input}`);
    return { code: next.code ?? 0, stdout: next.stdout ?? '', stderr: next.stderr ?? '' };
  };
  return Object.assign(run, { rest });
}
