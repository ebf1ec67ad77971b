import { basename } from 'node:path';
import type { ActionCall, ActionHost, ActionImplementation, ActionResult } from '../contract/action.js';
import { matchLines } from '../contract/match-lines.js';
import { pollUntil } from '../contract/poll-until.js';
import { failed, refused, stopped, succeeded, unchanged, withVerb, wouldDo } from '../contract/results.js';
import { runOrStop, settle } from '../contract/settle.js';

const EXIT_WAIT = { timeoutMs: 5_000, intervalMs: 50 };
const COLUMNS = 'pid=,ppid=,lstart=,comm=';
/** macOS stops or logs everybody out without these. */
const CRITICAL = new Set(['launchd', 'kernel_task', 'WindowServer', 'loginwindow', 'opendirectoryd', 'securityd']);

export interface MacProcess {
  readonly pid: number;
  readonly parent: number;
  /** Unix seconds. */
  readonly startTime: number;
  /** Full path of the executable. */
  readonly path: string;
}

/** `process.kill`. Reads the process with ps directly before the signal. */
export const killProcess: ActionImplementation = {
  run: (call) =>
    settle(call, async () => {
      const target = call.binding ?? call.params;
      const all = await listProcesses(call.host);
      const isByName = typeof target['name'] === 'string';
      const found = all.filter((one) =>
        isByName
          ? basename(one.path) === target['name'] && (target['path'] === undefined || one.path === target['path'])
          : one.pid === Number(target['pid']),
      );
      const [first] = found;
      if (first === undefined) return unchanged('no such process runs');
      const { start_time: start, path } = target;
      if (!isByName && start !== undefined && Number(start) !== first.startTime) {
        return refused('changed', `${first.pid} is another process by now: it started at ${first.startTime}`);
      }
      if (!isByName && typeof path === 'string' && path !== '' && path !== first.path) {
        return refused('changed', `${first.pid} runs ${first.path}, not ${path}`);
      }
      for (const one of found) {
        const why = protectionReason(one, all, call.host);
        if (why !== undefined) return refused('protected', `${describe(one)} is protected: ${why}`);
      }
      if (call.dryRun) return wouldDo(`${found.length} process(es) would end`, withVerb('end', found.map(describe)));
      return end(call, found);
    }),
};

async function end(call: ActionCall, found: readonly MacProcess[]): Promise<ActionResult> {
  const { host, signal } = call;
  const name = call.params['signal'] === 'TERM' ? 'TERM' : 'KILL';
  for (const { pid } of found) {
    signal.throwIfAborted();
    await runOrStop(host, '/bin/kill', ['-s', name, String(pid)]);
  }
  let left = found;
  await pollUntil(call, EXIT_WAIT, async () => {
    const now = await listProcesses(host);
    left = found.filter((one) => now.some((other) => other.pid === one.pid && other.startTime === one.startTime));
    return left.length === 0;
  });
  const effects = found.filter((one) => !left.includes(one)).map((one) => `ended ${describe(one)}`);
  if (left.length === 0) return succeeded(`${found.length} process(es) ended`, effects);
  if (signal.aborted) return stopped(signal, effects);
  return failed('still_running', `${left.map(describe).join('; ')} still runs`, effects);
}

async function listProcesses(host: ActionHost): Promise<MacProcess[]> {
  const env = { TZ: 'UTC', LC_ALL: 'C' };
  return parseProcesses(await runOrStop(host, '/bin/ps', ['-axww', '-o', COLUMNS], { env }));
}

/** Parses ps with these columns, in UTC: ` 501 1 Tue Nov 25 00:40:12 2025 /Applications/X.app/Contents/MacOS/X`. */
export function parseProcesses(text: string): MacProcess[] {
  const pattern = /^\s*(\d+)\s+(\d+)\s+(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\s+(.*)$/;
  return matchLines(text, pattern, ([pid, parent, started, path = '']) => {
    return { pid: Number(pid), parent: Number(parent), startTime: Date.parse(`${started} UTC`) / 1000, path };
  });
}

function protectionReason(
  one: MacProcess,
  all: readonly MacProcess[],
  { protect, agentPids }: ActionHost,
): string | undefined {
  if (agentPids.includes(one.pid)) return 'it is the agent';
  if (one.pid <= 1 || CRITICAL.has(basename(one.path))) return 'macOS does not run without it';
  for (let pid = process.pid; pid > 1; pid = all.find((each) => each.pid === pid)?.parent ?? 0) {
    if (pid === one.pid) return 'it is the agent, or runs it';
  }
  return protect.name(basename(one.path)) ?? protect.path(one.path);
}

function describe({ pid, path }: MacProcess): string {
  return `${basename(path)} (${pid}), ${path}`;
}
