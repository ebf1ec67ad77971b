import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { programVersion } from '../environment/program-version.js';

/** `muster version`, which `--version` of every command prints too. */
export function addVersionCommand(program: Command, { terminal }: CommandEnv): void {
  program
    .command('version')
    .description('Prints the version of this program.')
    .action(() => terminal.stdout.write(`muster ${programVersion()}\n`));
}

/** Whether a command line asks for the version, of whichever command. */
export function asksForVersion(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).some((word) => word === '--version' || word === '-V');
}
