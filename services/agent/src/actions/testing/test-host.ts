import { findAction, type ActionPlatform } from '@muster/actions';
import type { Binding, Labels, Params } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime/program';
import type { ActionCall, ActionHost, JsonValue, ProgramResult } from '../contract/action.js';
import { Protection } from '../contract/protection.js';
import { runProgram } from '../contract/run-program.js';

/** A host of this machine, nothing of it faked but what `overrides` says. */
export function realHost(overrides: Partial<ActionHost> & { readonly protects?: readonly string[] } = {}): ActionHost {
  const { protects = [], ...rest } = overrides;
  let labels: Labels = {};
  return {
    platform: 'linux',
    dataDir: '/nonexistent',
    run: (file, args, options) => runProgram(file, args, options),
    protect: new Protection(protects, overrides.platform ?? 'linux'),
    gatewayPeers: () => [],
    labels: { read: () => labels, write: (next) => void (labels = next) },
    logger: silentLogger,
    clock: systemClock,
    ...rest,
  };
}

/** A recorded machine: what programs were run with, and what they said. */
export interface RecordedHost extends ActionHost {
  readonly ran: readonly string[];
}

/**
 * A host whose programs answer from a recording: by the whole command line, the last one of several answers again and again. What was not
 * recorded is not installed (127).
 */
export function recordedHost(
  recording: Readonly<Record<string, Partial<ProgramResult> | readonly Partial<ProgramResult>[]>>,
  overrides: Partial<ActionHost> & { readonly protects?: readonly string[] } = {},
): RecordedHost {
  const ran: string[] = [];
  const left = new Map(Object.entries(recording).map(([line, answer]) => [line, [answer].flat()]));
  return {
    ...realHost({ ...overrides, platform: overrides.platform ?? ('linux' satisfies ActionPlatform) }),
    run: (file, args) => {
      const line = [file, ...args].join(' ');
      ran.push(line);
      const answers = left.get(line);
      const answer = answers !== undefined && answers.length > 1 ? answers.shift() : answers?.[0];
      const nothing = { code: answer === undefined ? 127 : 0, stdout: '', stderr: '' };
      return Promise.resolve({ ...nothing, ...answer });
    },
    ran,
  };
}

/** A call of an action, with what it kept for its undoing. */
export function callOf(
  host: ActionHost,
  name: string,
  options: {
    readonly params?: Params;
    readonly binding?: Binding;
    readonly dryRun?: boolean;
    readonly signal?: AbortSignal;
  } = {},
): ActionCall & { readonly kept: readonly JsonValue[] } {
  const kept: JsonValue[] = [];
  const { params = {}, binding, dryRun = false, signal = new AbortController().signal } = options;
  return {
    action: findAction(name)!,
    params,
    ...(binding !== undefined && { binding }),
    dryRun,
    signal,
    id: 'c1',
    number: 1,
    keepUndo: (info) => void kept.push(info),
    host,
    kept,
  };
}
