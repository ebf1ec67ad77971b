import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PackLinter } from './lint-pack.js';

let linter: PackLinter;
beforeAll(async () => {
  linter = await PackLinter.open();
});
afterAll(() => linter.close());

function pack(check: string): string {
  return `kind: muster/pack
format: 1
id: test
version: 1.0.0
title: Test
checks:
  - id: one
    title: One
    severity: high
    remediation: Mend it.
${check.replaceAll(/^/gm, '    ')}
`;
}

function findings(check: string): string[] {
  return linter
    .lint(pack(check))
    .findings.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
}

test('a check that fits has no findings', () => {
  expect(
    findings(`platforms: [linux]
sql: SELECT pid, name, path, start_time FROM processes WHERE on_disk = 0
row_means: fail
evidence: [pid, start_time, name]
action: { name: process.kill }`),
  ).toEqual([]);
});

test('evidence without the columns that the action is bound to is allowed, and advised against', () => {
  const { findings: found } = linter.lint(
    pack(
      'platforms: [linux]\nsql: SELECT pid, start_time FROM processes\nrow_means: fail\nevidence: [pid]\naction: { name: process.kill }',
    ),
  );
  expect(found).toMatchObject([{ level: 'advice', message: expect.stringContaining('start_time') }]);
});

test('SQL that does not compile is shown at its line in the file', () => {
  expect(
    findings(`platforms: [linux]
sql: |
  SELECT name
  FROM processes
  WHERE nme = 1
row_means: fail`),
  ).toEqual(['15:13 checks[0].sql: no such column: nme']);
});

test('evidence, tables and conditions that are not there are faults', () => {
  expect(
    findings(`platforms: [linux, windows]
applies_if: SELECT 1 FROM file
sql: SELECT name, name FROM deb_packages
row_means: fail
evidence: [name, version]`),
  ).toEqual([
    expect.stringMatching(/^12:17 checks\[0\].applies_if: .*path/),
    expect.stringMatching(/sql: table deb_packages does not exist on windows/),
    expect.stringMatching(/sql: the result has two columns called name/),
    '15:22 checks[0].evidence[1]: the result has no column version; it has name, name',
  ]);
});

test.each([
  ['DELETE FROM processes', /read-only SELECT/],
  ['SELECT 1; SELECT 2', /only one statement/],
  ["SELECT 1 FROM pragma_table_info('x')", /no such table|not allowed|pragma/],
])('only one SELECT is taken: %s', (sql, expected) => {
  expect(findings(`platforms: [linux]\nsql: ${JSON.stringify(sql)}\nrow_means: fail`)).toEqual([
    expect.stringMatching(expected),
  ]);
});

test.each([
  ['{ name: process.explode }', 'fail', /there is no action process.explode/],
  ['{ name: undo }', 'fail', /there is no action undo/],
  ['{ name: registry.delete_key }', 'fail', /registry.delete_key does not exist on linux/],
  ['{ name: process.kill }', 'pass', /needs a row that names its object/],
  ['{ name: session.logout }', 'fail', /session.logout needs these columns in the result/],
  ['{ name: dns.flush, params: { hard: true } }', 'fail', /no parameter of this name/],
])('an action must be able to mend what was found: %s of a row that means %s', (action, means, expected) => {
  const found = findings(
    `platforms: [linux]\nsql: SELECT pid, name, path, start_time FROM processes\nrow_means: ${means}\naction: ${action}`,
  );
  expect(found.join('\n')).toMatch(expected);
});

test('a check without remediation is advised to have one', () => {
  const { findings: found } = linter.lint(
    pack('platforms: [linux]\nsql: SELECT 1\nrow_means: fail').replace('    remediation: Mend it.\n', ''),
  );
  expect(found).toMatchObject([{ level: 'advice', message: 'has no remediation: say how to mend it' }]);
});
