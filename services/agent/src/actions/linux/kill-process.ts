import type { ActionCall, ActionHost, ActionImplementation, ActionResult } from '../contract/action.js';
import { pollUntil } from '../contract/poll-until.js';
import { counted, failed, refused, stopped, succeeded, unchanged, withVerb, wouldDo } from '../contract/results.js';
import { configuredProtection } from './process-protection.js';
import {
  agentAndAncestors,
  describeProcess,
  hasEnded,
  hasName,
  isAlive,
  type ProcessView,
  viewProcess,
  viewProcesses,
} from './process-view.js';

/** How long a signalled process may take to exit. */
const EXIT_TIMEOUT_MS = { KILL: 5_000, TERM: 10_000 } as const;
const POLL_INTERVAL_MS = 25;
/**
 * Number of passes over the process list. Later passes find processes that were started in between. The limit ends a
 * race against a supervisor that restarts them.
 */
const ROUNDS = 3;

type Signal = keyof typeof EXIT_TIMEOUT_MS;

/**
 * `process.kill`: ends one process, or all processes of a name.
 *
 * Node cannot open a pidfd, so the signal goes to a process id. Directly before the signal the process is read through
 * one handle of its /proc folder, which never shows another process. A wrong process is hit only if the right one exits
 * and its id is reused within these microseconds.
 */
export const killProcess: ActionImplementation = {
  run: (call) => (typeof call.params.name === 'string' ? killByName(call, call.params.name) : killByPid(call)),
};

/** What the process must match. */
interface ProcessTarget {
  readonly pid: number;
  readonly startTime: number | undefined;
  readonly path: string | undefined;
}

async function killByPid(call: ActionCall): Promise<ActionResult> {
  const target = targetOf(call);
  const view = viewProcess(target.pid);
  if (view === undefined || hasEnded(view)) return unchanged(`no process ${target.pid} runs any more`);
  const fault = mismatchReason(view, target);
  if (fault !== undefined) return refused('changed', fault);
  const guard = protectionReason(view, call.host, agentAndAncestors());
  if (guard !== undefined) return refused('protected', guard);
  const signal = signalOf(call);
  if (call.dryRun) return wouldDo(`1 process would get ${signal}`, [killLine(view, signal)]);
  return terminate(call, [view], signal, []);
}

async function killByName(call: ActionCall, name: string): Promise<ActionResult> {
  const path = typeof call.params.path === 'string' ? call.params.path : undefined;
  const own = agentAndAncestors();
  const find = (): ProcessView[] =>
    viewProcesses().filter(
      (view) => !hasEnded(view) && hasName(view, name) && (path === undefined || view.path === path),
    );
  const signal = signalOf(call);
  const effects: string[] = [];
  const skipped = new Map<number, string>();
  for (let round = 1; round <= ROUNDS; round += 1) {
    const open: ProcessView[] = [];
    for (const view of find()) {
      const guard = protectionReason(view, call.host, own);
      if (guard === undefined) open.push(view);
      else skipped.set(view.pid, guard);
    }
    if (call.dryRun && open.length > 0) return plan(open, [...skipped.values()], signal);
    if (open.length === 0) return summary(name, effects, [...skipped.values()]);
    const result = await terminate(call, open, signal, effects);
    if (result.state !== 'succeeded') return result;
    effects.push(...open.map((view) => endedLine(view, signal)));
  }
  const left = find().filter((view) => !skipped.has(view.pid)).length;
  return left === 0
    ? summary(name, effects, [...skipped.values()])
    : failed(
        'came_back',
        `${counted(effects.length, 'process', 'processes')} ended, and ${left} of the same name runs again: something restarts it`,
        effects,
      );
}

/** What would happen. With protected processes among them the action fails in the end, so its dry run does too. */
function plan(open: readonly ProcessView[], skipped: readonly string[], signal: Signal): ActionResult {
  const message = `${counted(open.length, 'process', 'processes')} would get ${signal}`;
  const lines = open.map((view) => killLine(view, signal));
  const [why] = skipped;
  if (why === undefined) return wouldDo(message, lines);
  return failed('protected', `${message}; ${skipped.length} would be left alone: ${why}`, withVerb('would', lines));
}

function summary(name: string, effects: readonly string[], skipped: readonly string[]): ActionResult {
  const [why] = skipped;
  if (why !== undefined) {
    if (effects.length === 0) return refused('protected', why);
    return failed(
      'protected',
      `${counted(effects.length, 'process', 'processes')} ended; ${skipped.length} left alone: ${why}`,
      effects,
    );
  }
  if (effects.length === 0) return unchanged(`no process is called ${name}`);
  return succeeded(`${counted(effects.length, 'process', 'processes')} ended`, effects);
}

function targetOf({ binding, params }: ActionCall): ProcessTarget {
  const from = binding ?? params;
  return {
    pid: Number(from.pid),
    startTime: from.start_time === undefined ? undefined : Number(from.start_time),
    // The table has an empty path when the path is unknown.
    path: typeof from.path === 'string' && from.path !== '' ? from.path : undefined,
  };
}

/** Returns why this is not the requested process, or `undefined`. */
function mismatchReason(view: ProcessView, { startTime, path }: ProcessTarget): string | undefined {
  if (startTime !== undefined && view.startTime !== startTime) {
    return `${view.pid} is another process by now: it started at ${view.startTime}, not at ${startTime}`;
  }
  if (path !== undefined && view.path !== path) {
    return `${view.pid} runs ${view.path === '' ? 'no file that can be seen' : view.path}, not ${path}`;
  }
  return undefined;
}

function protectionReason(view: ProcessView, host: ActionHost, own: ReadonlySet<number>): string | undefined {
  const who = describeProcess(view);
  if (view.pid === 1) return `${who} is the first process: the machine would stop`;
  if (view.isKernelThread) return `${who} is part of the kernel`;
  if (host.agentPids.includes(view.pid)) return `${who} is the agent`;
  if (own.has(view.pid)) return `${who} runs the agent`;
  const why = configuredProtection(view, host);
  return why === undefined ? undefined : `${who} is protected: ${why}`;
}

/** Checks and signals each process, then waits until all have exited. */
async function terminate(
  call: ActionCall,
  views: readonly ProcessView[],
  signal: Signal,
  before: readonly string[],
): Promise<ActionResult> {
  if (call.signal.aborted) return stopped(call.signal, before);
  const signalled: ProcessView[] = [];
  const refusedLines: string[] = [];
  for (const view of views) {
    const fault = sendSignal(view, signal);
    if (fault === undefined) signalled.push(view);
    else refusedLines.push(`${describeProcess(view)}: ${fault}`);
  }
  const wait = { timeoutMs: EXIT_TIMEOUT_MS[signal], intervalMs: POLL_INTERVAL_MS };
  await pollUntil(call, wait, () => !signalled.some(isAlive));
  const left = signalled.filter(isAlive);
  const gone = signalled.filter((view) => !left.includes(view)).map((view) => endedLine(view, signal));
  const effects = [...before, ...gone];
  if (left.length > 0) {
    const lines = [...effects, ...left.map((view) => `sent ${signal} to ${describeProcess(view)}, which still runs`)];
    if (call.signal.aborted) return stopped(call.signal, lines);
    return failed('still_running', stillRunning(left, signal), lines);
  }
  if (refusedLines.length > 0) return failed('not_signalled', refusedLines.join('; '), effects);
  return succeeded(`${counted(effects.length, 'process', 'processes')} ended`, effects);
}

/** Returns why the process could not be signalled. A process that has already exited is a success. */
function sendSignal(view: ProcessView, signal: Signal): string | undefined {
  const now = viewProcess(view.pid);
  if (now === undefined || now.startTicks !== view.startTicks || hasEnded(now)) return undefined;
  if (now.path !== view.path) return `it runs ${now.path} by now, not ${view.path}`;
  try {
    process.kill(view.pid, `SIG${signal}`);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ESRCH' ? undefined : `the system does not permit it (${code ?? 'no code'})`;
  }
}

function stillRunning(left: readonly ProcessView[], signal: Signal): string {
  const [first] = left;
  const seconds = EXIT_TIMEOUT_MS[signal] / 1_000;
  const who = first === undefined ? '' : describeProcess(first);
  if (signal === 'TERM') return `${who} still runs ${seconds} s after TERM; KILL would not leave it the choice`;
  return `${who} still runs ${seconds} s after KILL: it waits for the kernel`;
}

function signalOf({ params }: ActionCall): Signal {
  return params.signal === 'TERM' ? 'TERM' : 'KILL';
}

function killLine(view: ProcessView, signal: Signal): string {
  return `send ${signal} to ${describeProcess(view)}, ${view.path}`;
}

function endedLine(view: ProcessView, signal: Signal): string {
  return `ended ${describeProcess(view)}, ${view.path}, by ${signal}`;
}
