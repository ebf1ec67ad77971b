/** Shared by the root scripts. Plain JavaScript without dependencies: on a fresh clone it runs before anything is installed or built. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** Tools that are run from here send no telemetry, do not look for updates, and do not wait for a terminal. */
export const TOOL_ENV = {
  ...process.env,
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
  DO_NOT_TRACK: '1',
  npm_config_update_notifier: 'false',
};

const MINIMUM_NODE = [20, 19];

/** Ends the process with one clear line when this Node is too old to run Muster. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) return;
  console.error(`Muster needs Node ${MINIMUM_NODE.join('.')} or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

/** The path of a tool that `npm ci` has put into node_modules. */
export function tool(name) {
  return join(ROOT, 'node_modules', '.bin', name);
}

/**
 * Runs a command in the foreground and resolves with its exit code.
 * A terminating signal is forwarded to the child, and the result is then 128 + n. A `quiet` command's output is shown only when it fails.
 */
export function run(command, args, { env = TOOL_ENV, cwd = ROOT, quiet = false } = {}) {
  return new Promise((resolve) => {
    const out = quiet ? 'pipe' : 'inherit';
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', out, out] });
    const kept = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => kept.push(part));
    // Some tools end with 0 after a signal; the caller must still not continue.
    let asked;
    const pass = (signal) => {
      asked = signal;
      child.kill(signal);
    };
    process.once('SIGINT', pass).once('SIGTERM', pass);
    const end = (code) => {
      process.off('SIGINT', pass).off('SIGTERM', pass);
      if (code !== 0) process.stderr.write(Buffer.concat(kept));
      resolve(code);
    };
    child.once('error', (error) => {
      console.error(`cannot run ${command}: ${error.message}`);
      end(127);
    });
    child.once('close', (code, signal) => {
      const stopped = asked ?? signal;
      end(stopped ? 128 + constants.signals[stopped] : code);
    });
  });
}

/**
 * Runs `npm ci` when node_modules is missing or differs from package-lock.json. It compares npm's own record of the installation, so an
 * installation by hand counts too.
 */
export function ensureInstalled() {
  if (isInstalled()) return;
  console.error('Installing packages (npm ci)…');
  const npm = process.env['npm_execpath'];
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const options = { cwd: ROOT, env: TOOL_ENV, stdio: ['ignore', 'inherit', 'inherit'] };
  const result = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, options);
  if (result.status === 0) return;
  console.error(`npm ci failed${result.error ? `: ${result.error.message}` : ''}; nothing was started.`);
  process.exit(1);
}

function isInstalled() {
  const record = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const locked = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(record, 'utf8')).packages;
  return Object.entries(locked).every(([path, entry]) => {
    if (!path.startsWith('node_modules/')) return true;
    const installed = present[path];
    // Optional packages are missing on other platforms.
    if (installed === undefined) return entry.optional === true;
    return installed.version === entry.version && installed.integrity === entry.integrity;
  });
}

/** Builds all packages; unchanged ones come from turbo's cache. A `quiet` build prints only failures. */
export function build({ quiet = false } = {}) {
  if (!quiet) return turbo(['run', 'build', '--output-logs=new-only']);
  return turbo(['run', 'build', '--output-logs=errors-only'], { quiet });
}

/** Runs turbo without its terminal interface. */
export function turbo(args, options = {}) {
  return run(tool('turbo'), [...args, '--ui=stream', '--no-update-notifier'], options);
}
