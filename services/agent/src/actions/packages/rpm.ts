import { existsSync } from 'node:fs';
import { rpmError } from '../../tables/linux/parse/rpm.js';
import type { ActionCall, ActionHost, ActionResult } from '../contract/action.js';
import { failed, refused, stopped, succeeded, unchanged, wouldDo } from '../contract/results.js';
import { ActionStop, runOrStop } from '../contract/settle.js';
import type { PackageTarget } from './package-target.js';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._+-]*$/;
const FORMAT = '%{NAME}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{EPOCH}\\n';
/** The system cannot run or be repaired without these. Similar to dnf's protected_packages (dnf.conf(5)). */
const ESSENTIAL = new Set(
  'basesystem bash coreutils dnf dnf5 filesystem glibc kernel kernel-core rpm setup shadow-utils sudo systemd util-linux yum'.split(
    ' ',
  ),
);
/** Must not be killed halfway, like dpkg. */
const REMOVE_MS = 540_000;

export interface InstalledRpm {
  readonly name: string;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
  readonly epoch: string;
}

/** Removes an RPM package with rpm, which never removes others. Resolves to `undefined` when the machine has no rpm. */
export async function removeRpm(call: ActionCall, target: PackageTarget): Promise<ActionResult | undefined> {
  const { host } = call;
  if (!NAME.test(target.name)) return refused('bad_params', `"${target.name}" is not the name of a package`);
  const known = await query(host, [target.name], `package ${target.name} is not installed`);
  if (known === undefined) return undefined;
  const found = selectInstalled(known, target);
  if (found === undefined) return unchanged(`${target.name} is not installed`);
  await refuseProtected(host, found);
  const spec = `${found.name}-${found.version}-${found.release}.${found.arch}`;
  const tested = await host.run('rpm', ['-e', '--test', spec], { timeoutMs: 60_000 });
  if (tested.code !== 0) {
    const why = `rpm would not remove ${spec}: ${tested.stderr.trim().slice(0, 300)}`;
    return /^error: Failed dependencies/m.test(tested.stderr) ? refused('needed', why) : failed('program_failed', why);
  }
  if (call.dryRun) return wouldDo(`would remove ${spec}`, [`remove package ${spec}`]);
  if (call.signal.aborted) return stopped(call.signal);
  await runOrStop(host, 'rpm', ['-e', spec], { timeoutMs: REMOVE_MS });
  return lookAfter(host, spec);
}

async function lookAfter(host: ActionHost, spec: string): Promise<ActionResult> {
  const effects = [`told rpm to remove package ${spec}`];
  try {
    const left = await query(host, [spec], `package ${spec} is not installed`);
    if (left === undefined) return failed('not_seen', 'rpm ended well, and is not there any more', effects);
    if (left.length > 0) return failed('still_installed', `rpm ended well, but ${spec} is still installed`);
  } catch (error) {
    if (!(error instanceof ActionStop)) throw error;
    return failed('not_seen', `rpm ended well, and what is left cannot be seen: ${error.message}`, effects);
  }
  return succeeded(`removed ${spec}`, [`removed package ${spec}`]);
}

/**
 * What `rpm -q` finds. `undefined` when the machine has no rpm. Nothing is found only where rpm says so and has no complaint: of a
 * broken database it says the same, with the same exit code.
 */
async function query(host: ActionHost, args: readonly string[], absent: string): Promise<InstalledRpm[] | undefined> {
  const { code, stdout, stderr } = await host.run('rpm', ['-q', '--queryformat', FORMAT, ...args], {});
  if (code === 127) return undefined;
  const error = rpmError(stderr);
  if (error === undefined && (code === 0 || stdout.includes(absent))) return parseRpmNames(stdout);
  throw new ActionStop(failed('program_failed', `rpm -q ended with ${code}: ${error ?? stderr.trim()}`));
}

/** Parses the output of `rpm -q` in our format. For a missing package rpm prints a sentence, which is skipped. */
export function parseRpmNames(text: string): InstalledRpm[] {
  const rows = text.split('\n').map((line) => line.split('\t'));
  return rows
    .filter((row) => row.length === 5)
    .map(([name = '', version = '', release = '', arch = '', epoch = '']) => ({
      name,
      version,
      release,
      arch,
      epoch: epoch === '(none)' ? '0' : epoch,
    }));
}

function selectInstalled(installed: readonly InstalledRpm[], target: PackageTarget): InstalledRpm | undefined {
  const keys = ['version', 'release', 'arch', 'epoch'] as const;
  const matching = installed.filter((one) =>
    keys.every((key) => target[key] === undefined || target[key] === one[key]),
  );
  const [found, other] = matching;
  if (other !== undefined) {
    const list = matching.map((one) => `${one.version}-${one.release}.${one.arch}`).join(', ');
    throw new ActionStop(refused('ambiguous', `${target.name} is installed more than once: ${list}`));
  }
  if (found === undefined && (target.isBound || installed.length > 0)) {
    throw new ActionStop(refused('changed', `${target.name} is not installed in the version that was seen`));
  }
  return found;
}

async function refuseProtected(host: ActionHost, { name }: InstalledRpm): Promise<void> {
  if (ESSENTIAL.has(name)) throw new ActionStop(refused('protected', `${name} is an essential package`));
  const why = host.protect.name(name);
  if (why !== undefined) throw new ActionStop(refused('protected', why));
  // Of one that is not there rpm complains as of a broken database.
  const paths = [process.execPath, '/sbin/init'].filter((path) => existsSync(path));
  const owners = await query(host, ['-f', ...paths], 'is not owned by any package');
  if (owners?.some((owner) => owner.name === name) !== false) {
    throw new ActionStop(refused('protected', `the agent or the system runs from ${name}`));
  }
}
