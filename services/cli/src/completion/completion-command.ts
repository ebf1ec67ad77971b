import type { Command } from 'commander';
import type { ProcessEnv } from '../environment/command-env.js';
import { usageError } from '../terminal/cli-error.js';
import { completeWords } from './complete.js';
import { serverWords } from './dynamic.js';
import { SCRIPTS } from './scripts.js';

/** `muster completion bash|zsh|fish`, and the hidden command that those scripts call at every Tab. */
export function addCompletionCommand(program: Command, env: ProcessEnv): void {
  const { terminal } = env;
  program
    .command('completion <shell>')
    .description('Prints a completion script: bash, zsh or fish. For bash: source <(muster completion bash)')
    .action(async (shell: string) => {
      const script = SCRIPTS[shell];
      if (script === undefined)
        throw usageError(`there is no completion for "${shell}"; there is for ${Object.keys(SCRIPTS).join(', ')}`);
      await terminal.stdout.write(script);
    });
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: string[]) => {
      const at = words.indexOf('--context');
      if (at >= 0) env.contextName = words[at + 1];
      const found = await completeWords(program, words, serverWords(env));
      await terminal.stdout.write(found.map((word) => `${word}\n`).join(''));
    });
}
