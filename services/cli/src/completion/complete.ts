import type { Command, Option } from 'commander';

/** Values of options that have few. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  '--output': ['table', 'json', 'ndjson', 'csv'],
  '--role': ['viewer', 'analyst', 'responder', 'admin'],
};

/**
 * What may stand in the place of the last word, given those before it (without the program's own name). It walks the same tree of commands that
 * runs them, so it cannot fall behind.
 */
export function completeWords(program: Command, words: readonly string[]): string[] {
  const before = words.slice(0, -1);
  const start = words.at(-1) ?? '';
  let command = program;
  let expects: Option | undefined;
  for (const word of before) {
    if (expects !== undefined) expects = undefined;
    else if (word.startsWith('-')) expects = takesValue(command, program, word);
    else command = subcommands(command).find((one) => one.name() === word) ?? command;
  }
  if (expects !== undefined) return matching(VALUES[expects.long ?? ''] ?? [], start);
  if (start.startsWith('-')) {
    const options = [...command.options, ...(command === program ? [] : program.options)];
    return matching([...options.map((option) => option.long ?? option.short ?? ''), '--help'], start);
  }
  if (command.name() === 'completion') return matching(['bash', 'zsh', 'fish'], start);
  return matching(
    subcommands(command).map((one) => one.name()),
    start,
  );
}

function subcommands(command: Command): Command[] {
  return command.commands.filter((one) => !one.name().startsWith('__'));
}

function takesValue(command: Command, program: Command, word: string): Option | undefined {
  const found = [...command.options, ...program.options].find(
    (option) => option.long === word || option.short === word,
  );
  return found?.required === true ? found : undefined;
}

function matching(candidates: readonly string[], start: string): string[] {
  return candidates.filter((candidate) => candidate.startsWith(start));
}
