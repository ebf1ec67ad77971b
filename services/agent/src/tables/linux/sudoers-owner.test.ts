import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { System } from '../contract/system.js';
import { readSudoers } from './sudoers.js';

const VISUDO = '/usr/sbin/visudo';
const CVTSUDOERS = '/usr/bin/cvtsudoers';
const HOST = hostname().split('.')[0] ?? '';

/** Our reader of sudoers beside sudo's own (visudo, cvtsudoers), on generated files. */
const withSudo = existsSync(VISUDO) && existsSync(CVTSUDOERS) ? describe : describe.skip;

const user = fc.constantFrom('alice', '%wheel', '#1000', '%#100', '+net', '"a b"', 'a\\ b', 'ALL', 'al\\,ice', '!bob');
const rule = fc
  .tuple(
    user,
    fc.constantFrom(' ', '\t', ' \\\n  ', '\\\n\t'),
    fc.constantFrom('ALL', 'box'),
    fc.constantFrom('ALL', '/bin/ls', '/bin/echo \\#1, /bin/cat', '(root) NOPASSWD: \\\n /bin/id'),
  )
  .map(([who, gap, host, what]) => `${who}${gap}${host}=${what}`);
const setting = fc.constantFrom(
  ...['Defaults env_reset', 'Defaults:alice !lecture', 'Defaults\tpasswd_tries=1', 'Defaults secure_path="/bin:/sbin"'],
  ...['Defaults badpass_message="a # b"', 'Defaults env_keep += \\\n "A B"'],
);
const comment = fc.constantFrom(
  '# c',
  '#c',
  '#-c',
  '#',
  '#includefoo',
  '#include',
  '  # alice ALL=ALL',
  '# c \\',
  '#include_dir x',
  '',
  ' \t',
);
const include = fc.constantFrom(
  ...[
    '@include inner',
    '#include inner',
    '@include "in ner"',
    '@include in\\ ner',
    '@include in-%h',
    '#include\tinner',
  ],
  ...[
    '  @include inner',
    '@includedir drop',
    '#includedir drop',
    '@includedir "drop"',
    '@includedir\tdrop',
    '@include $ROOT/inner',
  ],
  ...[
    '@include inner # c',
    '@includedir drop   ',
    '@include   inner',
    '@includedir drop/',
    '@include nothere',
    '@includedir nothere',
  ],
);
const tail = fc.constantFrom('', '', '', ' # tail', '  ', '\t# tail \\', ' # "');
const line = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(rule, tail).map((both) => both.join('')) },
  { weight: 2, arbitrary: fc.tuple(setting, tail).map((both) => both.join('')) },
  { weight: 3, arbitrary: comment },
  { weight: 2, arbitrary: include },
);

withSudo('sudoers', () => {
  let root: string;
  beforeAll(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'muster-sudoers-')));
    mkdirSync(join(root, 'drop/folder'), { recursive: true });
    const inner = { inner: 'in1', 'in ner': 'in2', [`in-${HOST}`]: 'in3', 'drop/b': 'd1', 'drop/a': 'd2' };
    for (const [name, who] of Object.entries(inner))
      writeFileSync(join(root, name), `${who} ALL=ALL\n`, { mode: 0o440 });
    for (const name of ['drop/c~', 'drop/d.conf', 'drop/.e'])
      writeFileSync(join(root, name), 'no ALL=ALL\n', { mode: 0o440 });
  });
  afterAll(() => rmSync(root, { recursive: true }));

  /** The files that sudo reads, in the order of reading; `undefined` for what it refuses. */
  const filesOfSudo = (path: string): string[] | undefined => {
    const { status, stdout } = spawnSync(VISUDO, ['-c', '-f', path], { encoding: 'utf8', env: { LC_ALL: 'C' } });
    return status === 0
      ? [...stdout.matchAll(/^(.*): parsed OK$/gm)].map(([, file = '']) => normalize(file))
      : undefined;
  };

  type Name = Readonly<Record<string, string | number | boolean>>;
  const usersOfSudo = (path: string): string[] => {
    const output = execFileSync(CVTSUDOERS, ['-c', '/dev/null', '-f', 'json', path], { encoding: 'utf8' });
    const { User_Specs = [] } = JSON.parse(output === '' ? '{}' : output) as { User_Specs?: { User_List: Name[] }[] };
    return User_Specs.map(({ User_List }) => wordOf(User_List[0] ?? {}));
  };
  const PREFIXES: Readonly<Record<string, string>> = { usergroup: '%', userid: '#', usergid: '%#', netgroup: '+' };
  const wordOf = (name: Name): string =>
    Object.entries(name)
      .filter(([kind]) => kind !== 'negated')
      .map(([kind, value]) => `${name['negated'] === undefined ? '' : '!'}${PREFIXES[kind] ?? ''}${value}`)[0] ?? '';

  const ours = (path: string) => Array.from(readSudoers(new System(), path));
  const NO_RULE = /^(Defaults|[@#]include)/;
  const unquoted = (word: unknown): string => String(word).replaceAll('"', '').replaceAll('\\', '');

  it('the same files are read, and the same users have rules', () => {
    const path = join(root, 'sudoers');
    let taken = 0;
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.boolean(), (lines, hasEnd) => {
        const text = lines.join('\n').replaceAll('$ROOT', root) + (hasEnd ? '\n' : '');
        rmSync(path, { force: true });
        writeFileSync(path, text, { mode: 0o440 });
        const files = filesOfSudo(path);
        // What sudo refuses as a whole has no meaning to compare with.
        if (files === undefined) return;
        taken += 1;
        const rows = ours(path);
        const rules = rows.filter(({ header }) => !NO_RULE.test(String(header)));
        expect(rules.map(({ header }) => unquoted(header))).toEqual(usersOfSudo(path));
        const read = new Set(rows.map(({ source }) => source));
        expect(read).toEqual(new Set(files.filter((file) => file !== path || read.has(path))));
      }),
      { numRuns: 150, seed: 20_261_201 },
    );
    expect(taken).toBeGreaterThan(75);
  });
});
