import { randomBytes } from 'node:crypto';
import { access } from 'node:fs/promises';
import type { Logger } from '@muster/runtime';
import { findBinary } from './find-binary.js';
import { runCommand } from './run-command.js';

const APT_TIMEOUT_MS = 300_000;
const POLICY = '/usr/sbin/policy-rc.d';

/**
 * Installs a package of the system by apt-get, as root or with a sudo that needs no password. Returns the reason of a failure, or
 * undefined after success.
 *
 * Debian starts and enables a server when it is installed. Only the program is needed, not the service. So a policy-rc.d forbids starts
 * during the installation, unless the machine has its own policy, and a unit of the package is disabled afterwards. Services that were
 * installed before are not changed.
 */
export async function installPackage(name: string, logger: Logger): Promise<string | undefined> {
  if ((await findBinary('apt-get')) === undefined) return 'this system has no apt-get';
  const prefix = await rootPrefix();
  if (prefix === undefined) return 'installing needs root, or sudo without a password';
  logger.info('installing a package', { package: name });
  const run = (args: readonly string[]) => {
    const [program = '', ...rest] = [...prefix, ...args];
    return runCommand(program, rest, { timeoutMs: APT_TIMEOUT_MS });
  };
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120'];
  const updated = await run([...apt, 'update']);
  const isPolicyOurs = await denyServiceStarts(run);
  try {
    const installed = await run([...apt, 'install', '-y', '--no-install-recommends', name]);
    if (installed.exitCode !== 0) {
      const failed = updated.exitCode === 0 ? installed : updated;
      return `apt-get install ${name} failed: ${lastLines(failed.output)}`;
    }
  } finally {
    if (isPolicyOurs) await run(['rm', '-f', POLICY]);
  }
  await run(['sh', '-c', 'if [ -d /run/systemd/system ]; then systemctl disable --now "$1"; fi', 'sh', name]);
  return undefined;
}

/** The prefix that runs a command as root: empty, or sudo; undefined when neither works. */
async function rootPrefix(): Promise<string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  const sudo = await findBinary('sudo');
  if (sudo === undefined) return undefined;
  const { exitCode } = await runCommand(sudo, ['-n', 'true'], { timeoutMs: 5_000 });
  return exitCode === 0 ? [sudo, '-n'] : undefined;
}

/** Exit code 101 of policy-rc.d means "not allowed" (invoke-rc.d(8)). Returns whether we wrote it. */
async function denyServiceStarts(run: (args: readonly string[]) => Promise<unknown>): Promise<boolean> {
  const exists = await access(POLICY).then(
    () => true,
    () => false,
  );
  if (exists) return false;
  const draft = `${POLICY}.${randomBytes(4).toString('hex')}`;
  const script = `printf '#!/bin/sh\\nexit 101\\n' > ${draft} && chmod 755 ${draft} && mv ${draft} ${POLICY}`;
  await run(['sh', '-c', script]);
  return true;
}

function lastLines(output: string): string {
  return output.trim().split('\n').slice(-3).join(' / ');
}
