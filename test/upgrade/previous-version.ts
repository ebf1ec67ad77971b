import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const FROM = join(ROOT, 'test/upgrade/from');

/** The version before, built. */
export interface PreviousVersion {
  readonly commit: string;
  readonly folder: string;
}

/**
 * The commit that `test/upgrade/from` names, as a worktree of its own, installed and built. It is kept for the next run.
 * @throws where the commit is not in this clone, or does not build.
 */
export function previousVersion(): PreviousVersion {
  const commit = readFileSync(FROM, 'utf8').trim();
  const base = resolve(process.env['MUSTER_UPGRADE_DIR'] ?? join(ROOT, '.muster/upgrade'));
  const folder = join(base, commit);
  const built = join(folder, '.built');
  if (existsSync(built)) return { commit, folder };
  const known = spawnSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: ROOT });
  if (known.status !== 0) throw new Error(`commit ${commit} is not in this clone: git fetch --unshallow`);
  mkdirSync(base, { recursive: true });
  rmSync(folder, { recursive: true, force: true });
  git('worktree', 'prune');
  git('worktree', 'add', '--quiet', '--detach', folder, commit);
  // Links within node_modules are relative: a copy is an installation, if the same packages are wanted.
  const lock = (root: string): string => readFileSync(join(root, 'package-lock.json'), 'utf8');
  if (lock(ROOT) === lock(folder)) {
    for (const installed of ['.', ...workspaces()].map((path) => join(path, 'node_modules'))) {
      if (existsSync(join(ROOT, installed))) run(folder, 'cp', ['-al', join(ROOT, installed), join(folder, installed)]);
    }
  }
  run(folder, process.execPath, ['deploy/local/bin/build.mjs']);
  writeFileSync(built, '');
  return { commit, folder };
}

/** Folders with a package.json: some have packages of their own beside those of all. */
function workspaces(): string[] {
  const files = execFileSync('git', ['ls-files', '*/package.json'], { cwd: ROOT, encoding: 'utf8' });
  return files.split('\n').flatMap((file) => (file === '' ? [] : [dirname(file)]));
}

function git(...args: readonly string[]): void {
  execFileSync('git', args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
}

function run(cwd: string, command: string, args: readonly string[]): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
}
