import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { System } from '../../tables/contract/system.js';
import type { ActionCall, ActionHost, ActionImplementation, ActionResult } from '../contract/action.js';
import { pollUntil } from '../contract/poll-until.js';
import { failed, stopped, succeeded, unsupported, withVerb, wouldDo } from '../contract/results.js';
import { configuredProtection } from './process-protection.js';
import { describeProcess, hasEnded, type ProcessView, viewProcess, viewProcesses } from './process-view.js';

/** A running DNS cache. */
interface NameCache {
  /** Name for people. */
  readonly what: string;
  /** Why it may not be touched, if it is protected. */
  readonly protection?: (host: ActionHost) => string | undefined;
  readonly empty: (call: ActionCall) => Promise<Emptied>;
}

/** What was seen after the cache was told, or why it is not empty. */
type Emptied = { readonly seen: string } | { readonly fault: string };

/** How caches are detected. Tests replace it. */
export interface CacheProbe {
  readonly exists: (path: string) => boolean;
  readonly processes: () => readonly ProcessView[];
}

const THIS_MACHINE: CacheProbe = { exists: existsSync, processes: machineProcesses };

/** Without processes in containers. Their caches do not belong to the endpoint, and our programs do not reach them. */
function machineProcesses(): readonly ProcessView[] {
  const machine = new System();
  const namespaceOf = (pid: number): string | undefined => machine.link(`/proc/${pid}/ns/pid`);
  const namespace = namespaceOf(1);
  return viewProcesses().filter((view) => namespaceOf(view.pid) === namespace);
}

/**
 * `dns.flush`: flushes every DNS cache that runs here. A cache is detected by its running process or socket, not by an
 * installed program.
 */
export function flushDns(probe: CacheProbe = THIS_MACHINE): ActionImplementation {
  return { run: (call) => flush(call, findCaches(probe)) };
}

async function flush(call: ActionCall, caches: readonly NameCache[]): Promise<ActionResult> {
  if (caches.length === 0) {
    return unsupported(
      'no_cache',
      'no cache of names runs here: neither systemd-resolved, nscd, dnsmasq, unbound nor named',
    );
  }
  const names = caches.map(({ what }) => what).join(', ');
  if (call.dryRun) return plan(call, caches);
  const effects: string[] = [];
  const faults: string[] = [];
  for (const { what, empty, protection } of caches) {
    if (call.signal.aborted) return stopped(call.signal, effects);
    const why = protection?.(call.host);
    const result = why === undefined ? await empty(call) : { fault: why };
    if ('seen' in result) effects.push(`emptied ${what}: ${result.seen}`);
    else faults.push(`${what}: ${result.fault}`);
  }
  return faults.length === 0
    ? succeeded(`caches emptied: ${names}`, effects)
    : failed('not_emptied', faults.join('; '), effects);
}

/** A protected cache makes the action fail, so its dry run does too. */
function plan({ host }: ActionCall, caches: readonly NameCache[]): ActionResult {
  const open = caches.filter(({ protection }) => protection?.(host) === undefined);
  const message = `caches would be emptied: ${open.map(({ what }) => what).join(', ') || 'none'}`;
  const lines = open.map(({ what }) => `empty ${what}`);
  const kept = caches.flatMap(({ what, protection }) => {
    const why = protection?.(host);
    return why === undefined ? [] : [`${what}: ${why}`];
  });
  if (kept.length === 0) return wouldDo(message, lines);
  return failed('not_emptied', `${message}; left alone: ${kept.join('; ')}`, withVerb('would', lines));
}

function findCaches({ exists, processes }: CacheProbe): NameCache[] {
  const running = processes().filter((view) => !hasEnded(view));
  const isRunning = (name: string): boolean => running.some((view) => basename(view.path) === name);
  const caches: NameCache[] = [];
  if (exists('/run/systemd/resolve/io.systemd.Resolve') || isRunning('systemd-resolved')) {
    caches.push({ what: 'systemd-resolved', empty: emptyResolved });
  }
  if (exists('/run/nscd/socket') || isRunning('nscd')) caches.push(byProgram('nscd', 'nscd', ['--invalidate=hosts']));
  if (isRunning('unbound')) caches.push(byProgram('unbound', 'unbound-control', ['flush_zone', '.']));
  if (isRunning('named')) caches.push(byProgram('named', 'rndc', ['flush']));
  const dnsmasqs = running.filter((view) => basename(view.path) === 'dnsmasq');
  return [
    ...caches,
    ...dnsmasqs.map((view) => ({
      what: describeProcess(view),
      protection: (host: ActionHost) => configuredProtection(view, host),
      empty: (call: ActionCall) => sendHangup(call, view),
    })),
  ];
}

const RESOLVED = {
  // Older versions call resolvectl systemd-resolve.
  empty: [
    ['resolvectl', ['flush-caches']],
    ['systemd-resolve', ['--flush-caches']],
  ],
  count: [
    ['resolvectl', ['statistics']],
    ['systemd-resolve', ['--statistics']],
  ],
} as const;

/** Counts before and after. What others look up meanwhile is in the cache again. */
async function emptyResolved(call: ActionCall): Promise<Emptied> {
  const count = async (): Promise<number | undefined> => {
    const answer = await runFirst(call, RESOLVED.count);
    const found = 'stdout' in answer ? /Current Cache Size:\s*(\d+)/i.exec(answer.stdout)?.[1] : undefined;
    return found === undefined ? undefined : Number(found);
  };
  const before = await count();
  const answer = await runFirst(call, RESOLVED.empty);
  if ('fault' in answer) return answer;
  const after = await count();
  if (before === undefined || after === undefined) return { seen: 'it took the order, and does not count its names' };
  if (before > 0 && after >= before)
    return { fault: `it took the order, and had ${before} names before and ${after} after` };
  return { seen: `${before} names before, ${after} after` };
}

/** The program answers when its cache has taken the order. */
function byProgram(what: string, file: string, args: readonly string[]): NameCache {
  const empty = async (call: ActionCall): Promise<Emptied> => {
    const answer = await runFirst(call, [[file, args]]);
    if ('fault' in answer) return answer;
    return { seen: `${file} says ${answer.stdout.trim().split('\n')[0] || 'nothing, and ended well'}` };
  };
  return { what, empty };
}

type CommandLine = readonly [file: string, args: readonly string[]];

/** Runs the first of these programs that is installed. */
async function runFirst(
  { host, signal }: ActionCall,
  lines: readonly CommandLine[],
): Promise<{ readonly stdout: string } | { readonly fault: string }> {
  for (const [file, args] of lines) {
    const { code, stdout, stderr } = await host.run(file, args, { signal });
    if (code === 0) return { stdout };
    if (code !== 127) return { fault: stderr.trim() || stdout.trim() || `${file} ended with ${code}` };
  }
  return { fault: `there is no ${lines[0]?.[0] ?? 'program'} to tell it` };
}

const TAKEN = { timeoutMs: 2_000, intervalMs: 20 };

/** On SIGHUP dnsmasq clears its cache and reads its files again (dnsmasq(8)). */
async function sendHangup(call: ActionCall, view: ProcessView): Promise<Emptied> {
  // The process id may belong to another program by now.
  if (viewProcess(view.pid)?.startTicks !== view.startTicks) return { fault: 'it has ended meanwhile' };
  // One that has just started may not have asked for the signal yet, which would end it then.
  if (!hangupIs('SigCgt', view.pid)) return { fault: 'it does not take SIGHUP, which would end it' };
  try {
    process.kill(view.pid, 'SIGHUP');
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
  const isTaken = await pollUntil(call, TAKEN, () => !['SigPnd', 'ShdPnd'].some((set) => hangupIs(set, view.pid)));
  const now = viewProcess(view.pid);
  if (now?.startTicks !== view.startTicks || hasEnded(now)) return { fault: 'it ended after SIGHUP' };
  return isTaken ? { seen: 'it took SIGHUP and runs' } : { fault: 'it has not taken SIGHUP in two seconds' };
}

/** Whether SIGHUP is in a set of signals of the process (proc_pid_status(5)); its bit is the lowest. */
function hangupIs(set: string, pid: number): boolean {
  const status = new System().head(`/proc/${pid}/status`, 4_096) ?? '';
  const mask = new RegExp(`^${set}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1];
  return mask !== undefined && (parseInt(mask.slice(-1), 16) & 1) === 1;
}
