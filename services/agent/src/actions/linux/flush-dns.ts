import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { System } from '../../tables/contract/system.js';
import type { ActionCall, ActionHost, ActionImplementation, ActionResult } from '../contract/action.js';
import { failed, stopped, succeeded, unsupported, withVerb, wouldDo } from '../contract/results.js';
import { configuredProtection } from './process-protection.js';
import { describeProcess, hasEnded, type ProcessView, viewProcess, viewProcesses } from './process-view.js';

/** A running DNS cache. */
interface NameCache {
  /** Name for people. */
  readonly what: string;
  /** Why it may not be touched, if it is protected. */
  readonly protection?: (host: ActionHost) => string | undefined;
  /** Flushes the cache. Resolves to an error message, or `undefined` on success. */
  readonly empty: (call: ActionCall) => Promise<string | undefined>;
}

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
    const fault = protection?.(call.host) ?? (await empty(call));
    if (fault === undefined) effects.push(`emptied ${what}`);
    else faults.push(`${what}: ${fault}`);
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
      empty: () => sendHangup(view),
    })),
  ];
}

/** Older versions call resolvectl systemd-resolve. */
const emptyResolved = byPrograms(['resolvectl', ['flush-caches']], ['systemd-resolve', ['--flush-caches']]);

function byProgram(what: string, file: string, args: readonly string[]): NameCache {
  return { what, empty: byPrograms([file, args]) };
}

/** Runs the first of these programs that is installed. */
function byPrograms(...lines: readonly (readonly [file: string, args: readonly string[]])[]): NameCache['empty'] {
  return async ({ host, signal }) => {
    for (const [file, args] of lines) {
      const { code, stdout, stderr } = await host.run(file, args, { signal });
      if (code === 0) return undefined;
      if (code !== 127) return stderr.trim() || stdout.trim() || `${file} ended with ${code}`;
    }
    return `there is no ${lines[0]?.[0] ?? 'program'} to tell it`;
  };
}

/** On SIGHUP dnsmasq clears its cache and reads its files again (dnsmasq(8)). */
function sendHangup(view: ProcessView): Promise<string | undefined> {
  // The process id may belong to another program by now.
  if (viewProcess(view.pid)?.startTicks !== view.startTicks) return Promise.resolve('it has ended meanwhile');
  try {
    process.kill(view.pid, 'SIGHUP');
    return Promise.resolve(undefined);
  } catch (error) {
    return Promise.resolve(error instanceof Error ? error.message : String(error));
  }
}
