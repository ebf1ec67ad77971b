import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../store/atomic-file.js';
import type { CommandLine, ServicePlan } from './service-plan.js';

/** Carries a plan out, or only says what it would do. */
export interface Hands {
  /** Everything is written below this folder, and no program is started; `undefined` for this machine. */
  readonly root: string | undefined;
  readonly print: boolean;
  readonly say: (line: string) => void;
}

export interface InstallOptions {
  readonly plan: ServicePlan;
  /** The program's file, and where it goes. */
  readonly program: { readonly from: string; readonly to: string };
  readonly configFile: string;
  readonly dataDir: string;
  /** For a machine that has no configuration file yet. */
  readonly settings: string;
}

/**
 * Puts everything in place and starts the service. Run again, it updates: the settings that are there stay. Throws when
 * a step fails.
 */
export function install({ plan, program, configFile, dataDir, settings }: InstallOptions, hands: Hands): void {
  place(program.to, hands, (path) => copyProgram(program.from, path));
  if (existsSync(at(configFile, hands))) hands.say(`keep   ${configFile}`);
  else place(configFile, hands, (path) => writeFileAtomic(path, settings), 0o700);
  place(join(dataDir, '.'), hands, (path) => mkdirSync(path, { recursive: true, mode: 0o700 }));
  for (const { path, content, mode } of plan.files) {
    place(path, hands, (to) => {
      writeFileSync(to, content, { mode });
      chmodSync(to, mode);
    });
  }
  for (const line of plan.install) start(line, hands);
}

/** `program.to` in a folder that is the agent's alone: the folder goes. */
export interface UninstallOptions extends Omit<InstallOptions, 'settings'> {
  /** The settings, the key and the token go too: the machine comes back as another agent. */
  readonly purge: boolean;
}

/** Ends the service and takes away what `install` has put there. Whatever is missing already is no fault. */
export function uninstall({ plan, program, configFile, dataDir, purge }: UninstallOptions, hands: Hands): void {
  for (const line of plan.uninstall) start(line, hands, { mayFail: true });
  const paths = [...plan.files.map((file) => file.path), dirname(program.to), ...(purge ? [configFile, dataDir] : [])];
  for (const path of paths) {
    hands.say(`remove ${path}`);
    if (!hands.print) rmSync(at(path, hands), { recursive: true, force: true });
  }
  if (purge) removeIfEmpty(dirname(configFile), hands);
  for (const line of plan.afterwards) start(line, hands, { mayFail: true });
}

function removeIfEmpty(folder: string, hands: Hands): void {
  if (hands.print) return;
  try {
    rmdirSync(at(folder, hands));
  } catch {
    // Something else is in it, or it is gone.
  }
}

function place(path: string, hands: Hands, write: (path: string) => void, folderMode = 0o755): void {
  hands.say(`write  ${path}`);
  if (hands.print) return;
  const to = at(path, hands);
  const folder = dirname(to);
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(folder, { recursive: true, mode: folderMode });
  write(to);
}

/** Beside it and renamed: a program that runs cannot be overwritten. */
function copyProgram(from: string, to: string): void {
  if (from === to) return;
  copyFileSync(from, `${to}.new`);
  chmodSync(`${to}.new`, 0o755);
  renameSync(`${to}.new`, to);
}

function start([program, ...args]: CommandLine, { root, print, say }: Hands, { mayFail = false } = {}): void {
  say(`${root === undefined ? 'run    ' : 'skip   '}${[program, ...args].join(' ')}`);
  if (print || root !== undefined) return;
  try {
    execFileSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  } catch (error) {
    if (!mayFail) throw error;
  }
}

function at(path: string, { root }: Hands): string {
  return root === undefined ? path : join(root, path);
}
