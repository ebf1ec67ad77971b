import { usageError } from '../terminal/cli-error.js';

/** A saved question: its SQL, and options that the command line can override. */
export interface Question {
  readonly sql: string;
  readonly target?: string;
  readonly group?: boolean;
  readonly reduce?: string;
  readonly timeout?: string;
}

const HEADER = /^--\s*(target|group|reduce|timeout)\s*(?::\s*(.*))?$/;

/**
 * Reads a saved question: plain SQL whose leading comments may hold options.
 *
 *     -- Which ports are open, and how many machines have each?
 *     -- target: os=linux
 *     -- group
 *     -- reduce: SELECT port, sum(endpoints) FROM rows GROUP BY port
 *     SELECT port, protocol FROM listening_ports
 *
 * A `reduce` continues in the comment lines below it that are indented by two spaces or more.
 * @throws CliError for a header without its value, or twice
 */
export function parseQuestion(text: string): Question {
  const found: Record<string, string> = {};
  let open: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() !== '' && !line.startsWith('--')) break;
    const continued = open === undefined ? null : /^--\s{2,}(\S.*)$/.exec(line);
    if (continued !== null && open !== undefined) {
      found[open] = `${found[open]} ${continued[1]}`.trim();
      continue;
    }
    open = undefined;
    const [, name, value] = HEADER.exec(line.trimEnd()) ?? [];
    if (name === undefined) continue;
    // A header has a colon, except for "group". Prose that begins with such a word is no header.
    if (value === undefined && name !== 'group') continue;
    if (found[name] !== undefined) throw usageError(`the file says "${name}" twice`);
    found[name] = (value ?? '').trim();
    if (name === 'reduce') open = name;
  }
  for (const name of ['target', 'reduce', 'timeout'])
    if (found[name] === '') throw usageError(`the file says "${name}:" and nothing after it`);
  const { target, reduce, timeout } = found;
  return {
    sql: text,
    ...(target === undefined ? {} : { target }),
    ...(found['group'] === undefined ? {} : { group: found['group'] !== 'false' && found['group'] !== 'no' }),
    ...(reduce === undefined ? {} : { reduce }),
    ...(timeout === undefined ? {} : { timeout }),
  };
}
