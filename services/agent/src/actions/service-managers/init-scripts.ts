import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ActionCall, ProgramResult } from '../contract/action.js';
import { agentAndAncestors } from '../linux/process-view.js';
import type { ServiceManager, ServiceView } from './service-manager.js';

/** Scripts that belong to booting and shutting down, on Debian, Red Hat and others. */
const BOOT_SCRIPTS =
  /^(rcS?|rc\.local|halt|reboot|single|sendsigs|killall|killprocs|functions|skeleton|README|u?mount.*|checkroot.*|checkfs.*|hwclock.*|urandom|networking|network|udev|kmod|dbus)$/;

/** Exit codes of `status` (Linux Standard Base, "Init Script Actions"). */
const RUNNING = 0;
const STOPPED = new Set([1, 2, 3]);

/** System V init scripts, run like init does: from `/`, with an empty environment. */
export function initScripts(folder: string, runFolder = '/run'): ServiceManager {
  return {
    kind: 'init scripts',
    async find(call, name) {
      const script = join(folder, name);
      call.host.touch(script);
      if (name.startsWith('.') || !isScript(script)) return undefined;
      const service = { id: name, definition: script };
      const protectedBecause = protectionReason(name, runFolder);
      // A protected script is not even run for its status. Boot scripts may act on any argument.
      if (protectedBecause !== undefined)
        return { ...service, running: undefined, status: 'not asked', protectedBecause };
      return { ...service, ...(await statusOf(call, script)) };
    },
    change: (call, service, verb) => runScript(call, service, verb),
  };
}

function isScript(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function statusOf(call: ActionCall, script: string): Promise<Pick<ServiceView, 'running' | 'status'>> {
  const { code, stdout, stderr } = await call.host.run(script, ['status'], { signal: call.signal });
  if (code === RUNNING) return { running: true, status: 'running' };
  // A script without `status` prints its usage, with any of these codes.
  const knows = STOPPED.has(code) && !/usage/i.test(stdout + stderr);
  return knows
    ? { running: false, status: 'stopped' }
    : { running: undefined, status: 'in a state that its script does not tell' };
}

function protectionReason(name: string, runFolder: string): string | undefined {
  if (BOOT_SCRIPTS.test(name)) return `${name} is part of booting or shutting down`;
  for (const file of [`${name}.pid`, `${name}/${name}.pid`]) {
    if (agentAndAncestors().has(pidIn(join(runFolder, file)))) return `${name} runs the agent`;
  }
  return undefined;
}

function pidIn(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8').trim());
  } catch {
    return Number.NaN;
  }
}

function runScript({ host, action, signal }: ActionCall, service: ServiceView, verb: string): Promise<ProgramResult> {
  const starts = verb !== 'stop';
  return host.run(service.definition, [verb], {
    signal,
    timeoutMs: action.timeoutMs,
    ...(starts && { output: 'ignore' }),
  });
}
