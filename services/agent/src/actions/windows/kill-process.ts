import type { ActionCall, ActionHost, ActionImplementation, ActionResult } from '../contract/action.js';
import { failed, refused, succeeded, unchanged, withVerb, wouldDo } from '../contract/results.js';
import { callText } from '../contract/call-values.js';
import { settle } from '../contract/settle.js';
import { SYSTEM32 } from '../../host/windows-programs.js';
import { rowsOf, runScript } from './powershell.js';

/** Finds processes by id or by name (with or without `.exe`). */
export const FIND_PROCESSES = `$all = if ($in.pid) { Get-CimInstance Win32_Process -Filter ('ProcessId = ' + [int]$in.pid) } else { Get-CimInstance Win32_Process | Where-Object { $_.Name -eq $in.name -or $_.Name -eq ($in.name + '.exe') } }; ConvertTo-Json -Compress @($all | ForEach-Object { @{ pid = $_.ProcessId; name = $_.Name; path = $_.ExecutablePath; start_time = if ($_.CreationDate) { [DateTimeOffset]::new($_.CreationDate).ToUnixTimeSeconds() } } })`;

/** Ends a process through an open handle. The handle keeps the id from being reused between the check and the kill. */
export const KILL_PROCESS = `try { $p = [Diagnostics.Process]::GetProcessById([int]$in.pid); $null = $p.Handle } catch [ArgumentException] { '"gone"'; exit 0 }; if ([DateTimeOffset]::new($p.StartTime).ToUnixTimeSeconds() -ne $in.start_time) { '"changed"' } else { $p.Kill(); if ($p.WaitForExit(5000)) { '"ended"' } else { '"running"' } }`;

/** Windows stops at once without these (they are marked critical), or nobody can log in. */
const CRITICAL = new Set(
  ['system', 'registry', 'secure system', 'memory compression', 'system idle process'].concat(
    ['smss', 'csrss', 'wininit', 'winlogon', 'services', 'lsass', 'lsaiso', 'svchost'].map((name) => `${name}.exe`),
  ),
);

interface WindowsProcess {
  readonly pid: number;
  readonly name: string;
  readonly path: string;
  readonly startTime: number;
}

/** `process.kill`. TERM asks the windows of the process to close, through taskkill. KILL ends the process. */
export const killProcess: ActionImplementation = {
  run: (call) =>
    settle(call, async () => {
      const [name, pid, path] = ['name', 'pid', 'path'].map((key) => callText(call, key));
      const all = await find(call.host, name === undefined ? { pid: Number(pid) } : { name });
      const found = name === undefined ? all : all.filter((one) => path === undefined || samePath(one.path, path));
      if (found.length === 0) {
        return unchanged(name === undefined ? `no process ${pid} runs any more` : `no process is called ${name}`);
      }
      const [first] = found;
      if (name === undefined && first !== undefined) {
        const fault = mismatchReason(first, callText(call, 'start_time'), path);
        if (fault !== undefined) return refused('changed', fault);
      }
      for (const one of found) {
        const why = protectionReason(one, call.host);
        if (why !== undefined) return refused('protected', `${describe(one)} is protected: ${why}`);
      }
      if (call.dryRun) return wouldDo(`${found.length} process(es) would end`, withVerb('end', found.map(describe)));
      return endAll(call, found);
    }),
};

async function endAll(call: ActionCall, found: readonly WindowsProcess[]): Promise<ActionResult> {
  const effects: string[] = [];
  for (const one of found) {
    call.signal.throwIfAborted();
    const how = call.params['signal'] === 'TERM' ? await requestClose(call.host, one) : await kill(call.host, one);
    if (how === 'changed') return refused('changed', `${one.pid} is another process by now`);
    if (how !== 'ended' && how !== 'gone') return failed('still_running', `${describe(one)} still runs`, effects);
    effects.push(`ended ${describe(one)}`);
  }
  return succeeded(`${effects.length} process(es) ended`, effects);
}

async function find(host: ActionHost, by: { pid: number } | { name: string }): Promise<WindowsProcess[]> {
  const rows = rowsOf(await runScript(host, FIND_PROCESSES, by));
  return rows.map(({ pid, name, path, start_time: start }) => ({
    pid: Number(pid),
    name: typeof name === 'string' ? name : '',
    path: typeof path === 'string' ? path : '',
    startTime: Number(start),
  }));
}

function kill(host: ActionHost, { pid, startTime }: WindowsProcess): Promise<unknown> {
  return runScript(host, KILL_PROCESS, { pid, start_time: startTime });
}

async function requestClose(host: ActionHost, { pid }: WindowsProcess): Promise<unknown> {
  const { code } = await host.run(`${SYSTEM32}taskkill.exe`, ['/PID', String(pid)], {});
  // 128: there is no such process.
  if (code === 128) return 'gone';
  if (code !== 0) return 'running';
  const [left] = await find(host, { pid });
  return left === undefined ? 'ended' : 'running';
}

function mismatchReason(
  found: WindowsProcess,
  start: string | undefined,
  path: string | undefined,
): string | undefined {
  if (start !== undefined && Number(start) !== found.startTime) {
    return `${found.pid} is another process by now: it started at ${found.startTime}, not at ${start}`;
  }
  if (path !== undefined && path !== '' && !samePath(found.path, path)) {
    return `${found.pid} runs ${found.path}, not ${path}`;
  }
  return undefined;
}

function protectionReason({ pid, name, path }: WindowsProcess, { protect, agentPids }: ActionHost): string | undefined {
  if ([...agentPids, process.pid, process.ppid].includes(pid)) return 'it is the agent, or runs it';
  if (pid === 0 || pid === 4 || CRITICAL.has(name.toLowerCase())) return 'Windows does not run without it';
  return protect.name(name) ?? protect.path(path);
}

function samePath(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function describe({ pid, name, path }: WindowsProcess): string {
  return `${name} (${pid})${path === '' ? '' : `, ${path}`}`;
}
