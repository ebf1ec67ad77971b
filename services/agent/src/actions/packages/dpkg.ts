import { release } from 'node:os';
import type { ActionCall, ActionHost, ActionResult } from '../contract/action.js';
import { matchLines } from '../contract/match-lines.js';
import { failed, refused, stopped, succeeded, unchanged, wouldDo } from '../contract/results.js';
import { ActionStop, runOrStop } from '../contract/settle.js';
import type { PackageTarget } from './package-target.js';

/** Debian Policy §5.6.1. Such a name is neither a pattern for dpkg-query nor an option. */
const NAME = /^[a-z0-9][a-z0-9+.-]+$/;
const FORMAT =
  '${Package}\\t${Version}\\t${Architecture}\\t${db:Status-Status}\\t${Essential}\\t${Protected}\\t${Priority}\\t${db:Status-Want}\\n';
/** dpkg must not be killed halfway. It may use this time even when the command is cancelled. */
const REMOVE_MS = 540_000;
const ENV = { DEBIAN_FRONTEND: 'noninteractive', DEBIAN_PRIORITY: 'critical' };
/** Waits for another package manager to end. */
const APT = ['-q', '-o', 'DPkg::Lock::Timeout=60'];

export interface InstalledDeb {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly status: string;
  /** What dpkg is to do with it: `install`, `hold`, … */
  readonly wanted: string;
  readonly isEssential: boolean;
}

/** Removes a Debian package. Resolves to `undefined` when the machine has no dpkg. */
export async function removeDeb(call: ActionCall, target: PackageTarget): Promise<ActionResult | undefined> {
  const { host } = call;
  if (!NAME.test(target.name)) return refused('bad_params', `"${target.name}" is not the name of a Debian package`);
  const known = await query(host, target.name);
  if (known === undefined) return undefined;
  const found = selectInstalled(known.filter(isInstalled), target);
  if (found === undefined) return unchanged(`${target.name} is not installed`);
  await refuseProtected(host, found);
  if (found.wanted === 'hold') return refused('held', `${found.name} is on hold (apt-mark unhold ${found.name})`);
  const spec = `${found.name}:${found.arch}`;
  const verb = target.purge ? 'purge' : 'remove';
  await refuseSideEffects(host, verb, spec, found);
  const effect = `${verb} package ${found.name} ${found.version} (${found.arch})`;
  if (call.dryRun) return wouldDo(`would ${verb} ${found.name} ${found.version}`, [effect]);
  if (call.signal.aborted) return stopped(call.signal);
  await runOrStop(host, 'apt-get', [...APT, '-y', verb, spec], { env: ENV, timeoutMs: REMOVE_MS });
  const after = await query(host, found.name);
  if (after === undefined)
    return failed('not_seen', 'apt-get ended well, and there is no dpkg-query any more', [effect]);
  const left = after.find((one) => one.arch === found.arch && isInstalled(one));
  if (left !== undefined) return failed('still_installed', `apt-get ended well, but ${spec} is ${left.status}`);
  return succeeded(`removed ${found.name} ${found.version}`, [`${verb}d package ${spec} ${found.version}`]);
}

/** Parses the output of `dpkg-query -W` in our format. */
export function parseDpkgQuery(text: string): InstalledDeb[] {
  const rows = text.split('\n').map((line) => line.split('\t'));
  return rows
    .filter((row) => row.length === 8)
    .map(([name = '', version = '', arch = '', status = '', essential, isProtected, priority, wanted = '']) => ({
      name,
      version,
      arch,
      status,
      wanted,
      isEssential: essential === 'yes' || isProtected === 'yes' || priority === 'required',
    }));
}

/** Parses the output of `apt-get -s`: `Remv`, `Purg`, `Inst` and `Conf` lines. Names come without the architecture. */
export function parseSimulation(text: string): { readonly what: string; readonly name: string }[] {
  return matchLines(text, /^(Remv|Purg|Inst|Conf) ([^\s:]+)/, ([what = '', name = '']) => ({ what, name }));
}

async function query(host: ActionHost, name: string): Promise<InstalledDeb[] | undefined> {
  const { code, stdout, stderr } = await host.run('dpkg-query', ['-W', `-f=${FORMAT}`, '--', name], {});
  if (code === 127) return undefined;
  // Code 1: there is no such package.
  if (code > 1) throw new ActionStop(failed('program_failed', `dpkg-query ended with ${code}: ${stderr.trim()}`));
  return parseDpkgQuery(stdout);
}

function isInstalled({ status }: InstalledDeb): boolean {
  return status !== 'not-installed' && status !== 'config-files';
}

function selectInstalled(installed: readonly InstalledDeb[], target: PackageTarget): InstalledDeb | undefined {
  const [found, other] = installed.filter(({ arch }) => target.arch === undefined || arch === target.arch);
  if (found === undefined) {
    if (target.isBound) throw new ActionStop(refused('changed', `${target.name} is not installed any more`));
    return undefined;
  }
  if (other !== undefined) {
    const arches = `${found.arch} and ${other.arch}`;
    throw new ActionStop(refused('ambiguous', `${target.name} is installed for ${arches}; say which by arch`));
  }
  if (target.version !== undefined && target.version !== found.version) {
    throw new ActionStop(refused('changed', `${target.name} has version ${found.version}, not ${target.version}`));
  }
  return found;
}

async function refuseProtected(host: ActionHost, { name, isEssential }: InstalledDeb): Promise<void> {
  if (isEssential) throw new ActionStop(refused('protected', `${name} is an essential package`));
  const why = host.protect.name(name);
  if (why !== undefined) throw new ActionStop(refused('protected', why));
  if ((await packagesInUse(host)).has(name)) {
    throw new ActionStop(refused('protected', `the agent or the system runs from ${name}`));
  }
}

/** The packages of the agent's runtime, its C library, the init process and the running kernel. */
async function packagesInUse(host: ActionHost): Promise<ReadonlySet<string>> {
  const paths = [process.execPath, '/sbin/init', '/lib64/ld-linux-x86-64.so.2', `/boot/vmlinuz-${release()}`];
  const { code, stdout, stderr } = await host.run('dpkg-query', ['-S', '--', ...paths], {});
  // Code 1 means that a path has no owner.
  if (code > 1) throw new ActionStop(failed('program_failed', `dpkg-query -S ended with ${code}: ${stderr.trim()}`));
  // Lines have the form `name:arch, name: path`.
  const owners = stdout.split('\n').flatMap((line) => /^(.*): \//.exec(line)?.[1]?.split(', ') ?? []);
  return new Set(owners.map((owner) => owner.replace(/:.*$/, '')));
}

/** Refuses when the removal would remove or install other packages. The user must name those explicitly. */
async function refuseSideEffects(host: ActionHost, verb: string, spec: string, found: InstalledDeb): Promise<void> {
  const simulation = await runOrStop(host, 'apt-get', [...APT, '-s', verb, spec], { env: ENV, timeoutMs: 60_000 });
  const others = parseSimulation(simulation).filter(({ what, name }) => what === 'Inst' || name !== found.name);
  if (others.length === 0) return;
  const names = [...new Set(others.map(({ name }) => name))];
  const list = `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
  throw new ActionStop(refused('needed', `removing ${found.name} would change other packages: ${list}`));
}
