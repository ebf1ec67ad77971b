import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../store/atomic-file.js';
import { launchd } from './launchd.js';
import type { CommandLine, Installation, Manager, ServicePlan } from './service-plan.js';
import { systemd } from './systemd.js';
import { sysvinit } from './sysvinit.js';
import { windowsTask } from './windows-task.js';

const PLANS: Readonly<Record<Manager, (installation: Installation) => ServicePlan>> = {
  systemd,
  sysvinit,
  launchd,
  'windows-task': windowsTask,
};

/** The files and command lines for a service of this manager. */
export function planFor(manager: Manager, installation: Installation): ServicePlan {
  return PLANS[manager](installation);
}

/** How a plan is carried out. */
export interface InstallContext {
  /** Files are written below this folder, and no program is started; `undefined` for this machine. */
  readonly root: string | undefined;
  /** Only print what would be done. */
  readonly dryRun: boolean;
  readonly printLine: (line: string) => void;
}

export interface InstallOptions {
  readonly plan: ServicePlan;
  /** The program file, and where it is installed. */
  readonly program: { readonly from: string; readonly to: string };
  readonly configFile: string;
  readonly dataDir: string;
  /** Content of the configuration file, if there is none yet. */
  readonly settings: string;
}

/** Installs all files and starts the service; run again, it updates them and keeps the settings. Throws when a step fails. */
export function install(
  { plan, program, configFile, dataDir, settings }: InstallOptions,
  context: InstallContext,
): void {
  place(program.to, context, (path) => copyProgram(program.from, path));
  if (existsSync(at(configFile, context))) context.printLine(`keep   ${configFile}`);
  else place(configFile, context, (path) => writeFileAtomic(path, settings), 0o700);
  place(join(dataDir, '.'), context, (path) => mkdirSync(path, { recursive: true, mode: 0o700 }));
  for (const { path, content, mode } of plan.files) {
    place(path, context, (to) => {
      writeFileSync(to, content, { mode });
      chmodSync(to, mode);
    });
  }
  for (const line of plan.install) start(line, context);
}

/** The folder of `program.to` belongs to the agent alone and is removed. */
export interface UninstallOptions extends Omit<InstallOptions, 'settings'> {
  /** Also removes settings, key and token: after that the machine is a new agent. */
  readonly purge: boolean;
}

/** Stops the service and removes what `install` wrote. Missing files are not an error. */
export function uninstall(
  { plan, program, configFile, dataDir, purge }: UninstallOptions,
  context: InstallContext,
): void {
  for (const line of plan.uninstall) start(line, context, { mayFail: true });
  const paths = [...plan.files.map((file) => file.path), dirname(program.to), ...(purge ? [configFile, dataDir] : [])];
  for (const path of paths) {
    context.printLine(`remove ${path}`);
    if (!context.dryRun) rmSync(at(path, context), { recursive: true, force: true });
  }
  if (purge) removeIfEmpty(dirname(configFile), context);
  for (const line of plan.afterwards) start(line, context, { mayFail: true });
}

function removeIfEmpty(folder: string, context: InstallContext): void {
  if (context.dryRun) return;
  try {
    rmdirSync(at(folder, context));
  } catch {
    // It has other files, or does not exist.
  }
}

function place(path: string, context: InstallContext, write: (path: string) => void, folderMode = 0o755): void {
  context.printLine(`write  ${path}`);
  if (context.dryRun) return;
  const to = at(path, context);
  const folder = dirname(to);
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(folder, { recursive: true, mode: folderMode });
  write(to);
}

/** Copies to a temporary name and renames, because a running program cannot be overwritten. */
function copyProgram(from: string, to: string): void {
  if (from === to) return;
  copyFileSync(from, `${to}.new`);
  chmodSync(`${to}.new`, 0o755);
  renameSync(`${to}.new`, to);
}

function start(
  [program, ...args]: CommandLine,
  { root, dryRun, printLine }: InstallContext,
  { mayFail = false } = {},
): void {
  printLine(`${root === undefined ? 'run    ' : 'skip   '}${[program, ...args].join(' ')}`);
  if (dryRun || root !== undefined) return;
  try {
    execFileSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  } catch (error) {
    if (!mayFail) throw error;
  }
}

function at(path: string, { root }: InstallContext): string {
  return root === undefined ? path : join(root, path);
}
