import type { Command, Option } from 'commander';
import type { DynamicWords } from './dynamic.js';

/** The values of options with few values. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  '--output': ['table', 'vertical', 'json', 'ndjson', 'csv', 'wide'],
  '--role': ['viewer', 'analyst', 'responder', 'admin'],
  '--status': ['awaiting_approval', 'running', 'ended'],
  '--by': ['cpu', 'memory', 'disk', 'load', 'disk_io', 'network'],
  '--rollout': ['canary=1,step=10%,pause=30s,abort_over=5%'],
};

/**
 * The candidates for the last word, given the words before it (without the program's name). It walks the tree of commands that also
 * runs them, so it is always complete.
 */
export async function completeWords(
  program: Command,
  words: readonly string[],
  dynamic: DynamicWords,
): Promise<string[]> {
  const { before, start, typed } = splitWords(words);
  let command = program;
  let expects: Option | undefined;
  const args: string[] = [];
  for (const word of before) {
    if (expects !== undefined) expects = undefined;
    else if (word.startsWith('-')) expects = takesValue(command, program, word);
    else {
      const next = subcommands(command).find((one) => one.name() === word);
      if (next === undefined) args.push(word);
      command = next ?? command;
    }
  }
  if (expects?.long === '--target') return (await selectorWords(start, dynamic)).map((word) => word.slice(typed));
  if (expects?.long === '--param' && pathOf(command) !== 'questions save')
    return (await paramWords(command, args, start, dynamic)).map((word) => word.slice(typed));
  if (expects !== undefined) return matching(VALUES[expects.long ?? ''] ?? [], start);
  if (start.startsWith('-')) {
    const options = [...command.options, ...(command === program ? [] : program.options)];
    return matching([...options.map((option) => option.long ?? option.short ?? ''), '--help'], start);
  }
  if (command.name() === 'completion') return matching(['bash', 'zsh', 'fish'], start);
  const found = matching(
    [...subcommands(command).map((one) => one.name()), ...(await argumentWords(command, args, start, dynamic))],
    start,
  );
  // The shell keeps what it counts as typed; only the rest is printed.
  return found.map((word) => word.slice(typed));
}

/**
 * Bash treats `=` as a separate word. The words are joined again, so that all shells are handled alike. `typed` is how much of the
 * last word bash does not count as part of it.
 */
function splitWords(words: readonly string[]): { before: readonly string[]; start: string; typed: number } {
  const joined: string[] = [];
  let typed = 0;
  for (const [i, word] of words.entries()) {
    const last = joined.at(-1);
    const isEnd = i === words.length - 1;
    if (last !== undefined && (word === '=' || words[i - 1] === '=')) {
      joined[joined.length - 1] = last + word;
      if (isEnd) typed = word === '=' ? last.length + 1 : last.length;
    } else joined.push(word);
  }
  return { before: joined.slice(0, -1), start: joined.at(-1) ?? '', typed };
}

function pathOf(command: Command): string {
  return command.parent?.parent ? `${command.parent.name()} ${command.name()}` : command.name();
}

/** `port=` of the parameters of a saved question, or of those that the SQL names. */
async function paramWords(
  command: Command,
  [first = '']: readonly string[],
  start: string,
  dynamic: DynamicWords,
): Promise<string[]> {
  const name = command.name() === 'run' ? first.replace(/^@/, '') : /^@(\S+)$/.exec(first)?.[1];
  const names =
    name === undefined
      ? [...first.matchAll(/[^\w:]:([A-Za-z_]\w*)/g)].map((match) => match[1] ?? '')
      : await dynamic.questionParams(name);
  return matching(
    [...new Set(names)].map((one) => `${one}=`),
    start,
  );
}

async function argumentWords(
  command: Command,
  args: readonly string[],
  start: string,
  dynamic: DynamicWords,
): Promise<readonly string[]> {
  const path = pathOf(command);
  const [first, ...others] = args;
  if (path === 'mode') return first === undefined ? ['live', 'poll', 'default'] : [];
  if (path === 'run') return first === undefined ? dynamic.actions() : dynamic.params(first, others, start);
  if (first !== undefined) return [];
  switch (path) {
    case 'actions':
      return dynamic.actions();
    case 'top':
    case 'agents show':
    case 'agents label':
    case 'agents revoke':
      return dynamic.hosts();
    case 'tables':
      return dynamic.tables();
    case 'labels':
      return dynamic.labels();
    case 'queries cancel':
      return dynamic.queries('running');
    case 'queries delete':
    case 'queries show':
    case 'queries rows':
    case 'queries endpoints':
    case 'queries reduce':
    case 'queries rerun':
      return dynamic.queries();
    case 'query':
      return start.startsWith('@')
        ? (await dynamic.questions()).map((name) => `@${name}`)
        : await sqlWords(start, dynamic);
    case 'questions run':
    case 'questions show':
      return dynamic.questions();
    case 'questions save':
    case 'questions delete':
      return dynamic.questions('org');
    case 'commands approve':
      return dynamic.commands('awaiting_approval');
    case 'commands cancel':
      return dynamic.commands('running');
    case 'commands show':
    case 'commands watch':
    case 'commands targets':
    case 'undo':
      return dynamic.commands();
    default:
      return [];
  }
}

/** Inside of quotes: the table after FROM or JOIN, else the columns of the tables that are named. */
async function sqlWords(start: string, dynamic: DynamicWords): Promise<readonly string[]> {
  const [, before = '', word = ''] = /^(.*?)(\w*)$/s.exec(start) ?? [];
  if (before === '') return [];
  const words = /\b(from|join)\s+$/i.test(before) ? await dynamic.tables() : await dynamic.columns(start);
  return matching(words, word).map((found) => before + found);
}

/** The last requirement of a selector: names of labels, then its values. */
async function selectorWords(start: string, dynamic: DynamicWords): Promise<string[]> {
  const at = Math.max(start.lastIndexOf(','), start.lastIndexOf('(')) + 1;
  const [before, last] = [start.slice(0, at), start.slice(at)];
  const [, key, operator = ''] = /^(!?[\w./-]+?)(==|!=|=)/.exec(last) ?? [];
  const words =
    key === undefined
      ? [...(await dynamic.labels()), 'host', 'id', 'health'].map((label) => `${label}=`)
      : (await (key === 'host' ? dynamic.hosts() : dynamic.labels(key))).map((value) => `${key}${operator}${value}`);
  return matching(words, last).map((word) => before + word);
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
