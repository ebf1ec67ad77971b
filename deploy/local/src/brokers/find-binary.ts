import { runCommand } from './run-command.js';

/** The folders of servers on Debian and Ubuntu; not on an ordinary user's PATH. */
const SYSTEM_FOLDERS = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Finds the full path of a program; undefined when there is none. Looks in the folders of `PATH`, or in the given ones (separated by
 * colons), and then in the system's folders.
 */
export async function findBinary(name: string, folders?: string): Promise<string | undefined> {
  // The shell does the search on PATH.
  const script = `PATH="\${2:-$PATH}:${SYSTEM_FOLDERS}"; command -v "$1"`;
  const args = ['-c', script, 'sh', name, ...(folders === undefined ? [] : [folders])];
  const { exitCode, output } = await runCommand('/bin/sh', args, { timeoutMs: 5_000 });
  const path = output.trim();
  return exitCode === 0 && path.startsWith('/') ? path : undefined;
}
