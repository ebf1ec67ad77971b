import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';

/** `muster version`. */
export function addVersionCommand(program: Command, { terminal }: CommandEnv): void {
  program
    .command('version')
    .description('Prints the version of this program.')
    .action(async () => {
      const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
        version: string;
      };
      await terminal.stdout.write(`muster ${manifest.version}\n`);
    });
}
