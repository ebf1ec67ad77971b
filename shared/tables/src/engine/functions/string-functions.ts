import type { SqlValue } from '@muster/protocol';
import { matchedGroup, splitByRegex } from './regex.js';
import { integer, ofText, type SqlFunction, strict, text } from './sql-function.js';

/** White space of the C locale. */
const ENDS = /^[\t-\r ]+|[\t-\r ]+$/g;

/** Each character of `separators` separates. Empty pieces are skipped before blanks are cut off, so a piece of blanks is an empty one. */
function split(value: string, separators: string): string[] {
  const isSeparator = new Set(separators);
  const pieces: string[] = [''];
  for (const character of value) {
    if (isSeparator.has(character)) pieces.push('');
    else pieces[pieces.length - 1] += character;
  }
  return pieces.filter((piece) => piece !== '').map((piece) => piece.replaceAll(ENDS, ''));
}

function splitter(name: string, pieces: (value: string, separators: string) => readonly string[]): SqlFunction {
  return strict(name, 3, (value, separators, index) => {
    if (text(separators) === '') throw new Error('Invalid input to split function');
    return pieces(text(value), text(separators))[integer(index)] ?? null;
  });
}

const SOUNDS = '01230120022455012623010202';

/** The code of American Soundex, as SQLite has it: letters of one sound that stand together count once. `?000` without a letter. */
function soundex(value: string): string {
  const characters = Buffer.from(value.replace(/^[^A-Za-z]+/, ''));
  if (characters.length === 0) return '?000';
  let [code, last] = ['', '0'];
  for (const character of characters) {
    // SQLite reads the lower seven bits of a byte that is no ASCII.
    const letter = String.fromCharCode(character & 0x7f).toUpperCase();
    const sound = SOUNDS[letter.charCodeAt(0) - 65] ?? '0';
    if (code === '') code = letter;
    else if (sound !== '0' && sound !== last) code += sound;
    last = sound;
  }
  return code.padEnd(4, '0').slice(0, 4);
}

/** A separator follows each value that is not NULL, but for the last argument. */
function joined(separator: string, values: readonly SqlValue[]): string {
  return values
    .map((value, i) => (value === null ? '' : `${text(value)}${i < values.length - 1 ? separator : ''}`))
    .join('');
}

/** `split`, `regex_split` and `regex_match` count pieces and groups from 0. */
export const STRING_FUNCTIONS: readonly SqlFunction[] = ofText([
  splitter('split', split),
  splitter('regex_split', splitByRegex),
  strict('regex_match', 3, (value, source, group) => matchedGroup(text(value), text(source), integer(group))),
  { name: 'concat', args: -1, call: (values) => (values.length === 0 ? null : values.map(text).join('')) },
  {
    name: 'concat_ws',
    args: -1,
    call: ([separator, ...values]) => (values.length === 0 ? null : joined(text(separator), values)),
  },
  { name: 'soundex', args: 1, call: ([value]) => soundex(text(value)) },
]);

/** Of text alone; anything else is an error. */
export const PATH_FUNCTIONS: readonly SqlFunction[] = [
  {
    name: 'parent_directory',
    args: 1,
    call: ([path]) => {
      if (typeof path !== 'string') throw new Error('Invalid inputs to parent_directory, TEXT was expected');
      const end = path.lastIndexOf('/');
      return end < 0 ? null : path.slice(0, end);
    },
  },
];
