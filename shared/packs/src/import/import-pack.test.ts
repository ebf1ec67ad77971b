import { expect, test } from '@jest/globals';
import type { Check } from '../format/pack-schema.js';
import { readPack } from '../format/read-pack.js';
import { writePack } from '../format/write-pack.js';
import { type ImportFormat, importPack } from './import-pack.js';
import { translateRule } from './wazuh-rule.js';

function imported(from: ImportFormat, text: string, name = 'file.x'): { checks: readonly Check[]; notes: string[] } {
  const { pack, notes } = importPack([{ name, text }], from, 'Own sample');
  // What an importer makes is always a pack.
  if (pack !== undefined) expect(readPack(writePack(pack))).toMatchObject({ ok: true, pack: { id: 'own-sample' } });
  return { checks: pack?.checks ?? [], notes: notes.map(({ subject, message }) => `${subject}: ${message}`) };
}

test('Fleet: a policy passes when a row returns', () => {
  const { checks, notes } = imported(
    'fleet',
    `apiVersion: v1
kind: policy
spec:
  name: Root disk is encrypted (Linux)
  query: SELECT 1 FROM mounts WHERE path = '/';
  description: Why
  resolution: Encrypt it.
  platform: linux
  critical: true
  calendar_events_enabled: true
---
kind: query
spec: { name: x, query: SELECT 1 }
---
kind: policy
spec: { name: Chromebooks, query: SELECT 1, platform: chrome }
`,
  );
  expect(checks).toMatchObject([
    {
      id: 'root-disk-is-encrypted-linux',
      severity: 'critical',
      platforms: ['linux'],
      row_means: 'pass',
      remediation: 'Encrypt it.',
    },
  ]);
  expect(notes.sort()).toEqual([
    'chromebooks: platform chrome is not known here',
    'file.x: a document of kind query is no policy',
    'root-disk-is-encrypted-linux: "calendar_events_enabled" is not taken over',
  ]);
});

test('Fleet: a list of policies of a team file', () => {
  const { checks } = imported(
    'fleet',
    'policies:\n  - { name: A, query: SELECT 1 }\n  - { name: A, query: SELECT 2 }\n',
  );
  expect(checks.map(({ id, platforms }) => [id, platforms.length])).toEqual([
    ['a', 3],
    ['a-2', 3],
  ]);
});

test('osquery: comments and continued lines are read, and a row means fail', () => {
  const { checks, notes } = imported(
    'osquery',
    String.raw`{
  # a comment
  "platform": "posix",
  "discovery": ["SELECT pid FROM processes WHERE name = 'sshd';"],
  "queries": {
    "deleted_binary": {
      "query": "SELECT pid FROM processes \
                WHERE on_disk = 0;",
      "interval": 3600, "value": "Find out why", "shard": 10
    },
    "broken": { "interval": 1 }
  }
}`,
  );
  expect(checks).toMatchObject([
    {
      ...{ id: 'deleted_binary', platforms: ['linux', 'darwin'], row_means: 'fail', remediation: 'Find out why' },
      ...{ sql: 'SELECT pid FROM processes WHERE on_disk = 0', applies_if: expect.stringContaining('sshd') as unknown },
    },
  ]);
  expect(notes).toEqual(['deleted_binary: "shard" is not taken over', 'broken: has no query']);
});

test('SQL files: comments above the statement are its description', () => {
  const { checks } = imported(
    'sql',
    `-- Programs in temporary folders
-- references:
--   * https://attack.mitre.org/techniques/T1105/
-- platform: posix
-- tags: transient process
-- severity: high
SELECT path FROM file -- here
WHERE directory = '/tmp';
`,
    'tmp-programs.sql',
  );
  expect(checks).toMatchObject([
    {
      ...{
        id: 'tmp-programs',
        title: 'Programs in temporary folders',
        severity: 'high',
        platforms: ['linux', 'darwin'],
      },
      ...{
        tags: ['transient', 'process'],
        row_means: 'fail',
        sql: "SELECT path FROM file -- here\nWHERE directory = '/tmp'",
      },
      references: { url: ['https://attack.mitre.org/techniques/T1105/'], mitre: ['T1105'] },
    },
  ]);
});

const SCA = `policy: { id: own, regex_type: pcre2 }
requirements: { condition: any, rules: ['f:/etc/debian_version'] }
variables: { $sshd: /etc/ssh/sshd_config }
checks:
  - id: 1
    title: Root does not log in
    compliance: [{ cis: ['5.2.10'] }, { soc_2: [CC6] }]
    condition: all
    rules: ['f:$sshd -> r:^\\s*PermitRootLogin\\s+no', 'not p:telnetd']
  - { id: 2, title: Something that runs, condition: any, rules: ['c:grub2-editenv list -> r:x', 'f:/etc/passwd'] }
  - { id: 3, title: Nothing to do, condition: some, rules: ['f:/x'] }
`;

test('Wazuh: rules become one SELECT, and what runs a command is not applicable with the reason', () => {
  const { checks, notes } = imported('wazuh-sca', SCA);
  expect(checks).toMatchObject([
    {
      id: 'wazuh-1',
      row_means: 'pass',
      references: { cis: ['5.2.10'] },
      applies_if: expect.stringContaining('/etc/debian_version') as unknown,
    },
    { id: 'wazuh-2', not_applicable: 'the command "grub2-editenv list" is not run; no table has what it writes' },
    { id: 'wazuh-3', not_applicable: 'condition "some" is not known' },
  ]);
  expect(checks[1]?.sql).toBeUndefined();
  expect(notes).toContain('wazuh-1: the maps soc_2 are not taken over');
});

test.each([
  ["f:/etc/it's", "EXISTS (SELECT 1 FROM file WHERE path = '/etc/it''s')"],
  ['not d:/x', "NOT EXISTS (SELECT 1 FROM file WHERE path = '/x' AND type = 'directory')"],
  [
    'f:/a -> r:^x && !r:y && n:(\\d+) compare <= 4',
    "EXISTS (SELECT 1 FROM (SELECT line FROM file_lines WHERE path = '/a') WHERE regex_match(line, '^x', 0) IS NOT NULL AND NOT (regex_match(line, 'y', 0) IS NOT NULL) AND (regex_match(line, '(\\d+)', 1) IS NOT NULL AND CAST(regex_match(line, '(\\d+)', 1) AS INTEGER) <= 4))",
  ],
  [
    'r:HKLM\\SOFTWARE\\X -> Name -> 1',
    "EXISTS (SELECT 1 FROM (SELECT data AS line FROM registry WHERE key = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\X' AND name = 'Name' COLLATE NOCASE) WHERE line = '1')",
  ],
  [
    'c:lsmod -> r:^udf',
    "EXISTS (SELECT 1 FROM (SELECT name || ' ' || size || ' ' || used_by AS line FROM kernel_modules) WHERE regex_match(line, '^udf', 0) IS NOT NULL)",
  ],
])('Wazuh: %s', (rule, sql) => {
  expect(translateRule(rule, 'pcre2')).toEqual({ ok: true, sql });
});

test.each([
  'c:sysctl -a; rm -rf /',
  'c:cat /etc/shadow | sh -> r:x',
  'x:/a',
  'f:relative',
  'p:x -> r:y',
  'f:/a -> n:x',
])('Wazuh: what cannot be said in SQL is refused: %s', (rule) => {
  expect(translateRule(rule, 'pcre2').ok).toBe(false);
});

test('Wazuh: what of a check cannot be taken over is told, and nothing is cut without a word', () => {
  const rules = Array.from({ length: 400 }, (_, i) => `'f:/etc/a-file-with-a-long-name-${i}'`).join(', ');
  const techniques = Array.from({ length: 50 }, (_, i) => `T${1_000 + i}`).join(', ');
  const { checks, notes } = imported(
    'wazuh-sca',
    `policy: { id: own_linux, regex_type: pcre2 }
extra: 1
checks:
  - no check
  - id: 1
    title: ${'t'.repeat(210)}
    description: ${'d'.repeat(3_000)}
    rationale: ${'r'.repeat(3_000)}
    remediation: [a list]
    impact: Something stops
    references: [https://example.org/a, 'see the manual']
    compliance: [{ mitre_techniques: [TA0001, M1022, ${techniques}], cis: [5.10] }, no map]
    condition: all
    rules: ['f:/etc/passwd']
  - { id: 2, title: Many files, condition: all, rules: [${rules}] }
`,
  );
  expect(checks).toMatchObject([
    { id: 'wazuh-1', references: { url: ['https://example.org/a'] } },
    { id: 'wazuh-2', not_applicable: expect.stringMatching(/^its rules make a statement of \d+ characters/) },
  ]);
  expect(checks[0]?.references?.mitre).toHaveLength(40);
  expect(checks[0]?.references?.cis).toBeUndefined();
  expect(notes.filter((note) => !note.startsWith('wazuh-2'))).toEqual([
    'file.x: "extra" is not taken over',
    'file.x: 1 of the entries below "checks" cannot be read',
    'wazuh-1: "impact" is not taken over',
    'wazuh-1: its description is cut after 4000 characters',
    'wazuh-1: its remediation is no text',
    'wazuh-1: 1 of the entries below "compliance" cannot be read',
    'wazuh-1: references of mitre that have another form: "M1022"',
    'wazuh-1: of mitre 11 are left out, as there may be 40',
    'wazuh-1: references of cis that have another form: 5.1',
    'wazuh-1: references of url that have another form: "see", "the", "manual"',
    'wazuh-1: its title is cut after 200 characters',
  ]);
});

test('references are taken over where a pack may have them, and only there', () => {
  const long = `https://example.org/${'x'.repeat(400)}`;
  const { checks, notes } = imported(
    'wazuh-sca',
    `policy: { id: own_linux }
checks:
  - id: 1
    title: A title
    references: ['https://[::1]/a', '${long}', 'https://example.org:99999/']
    compliance: [{ cis: ["5.\\u202e10", "${'5'.repeat(201)}"] }]
    condition: all
    rules: ['f:/etc/passwd']
`,
  );
  expect(checks[0]?.references).toEqual({ url: ['https://[::1]/a', long], cis: ['5. 10'] });
  expect(notes).toEqual([
    `wazuh-1: references of cis that have another form: "${'5'.repeat(39)}`,
    'wazuh-1: references of url that have another form: "https://example.org:99999/"',
  ]);
});

test.each([
  ['cis_apple_macOS_14.x', 'darwin'],
  ['cis_win2022', 'windows'],
  ['cis_debian12', 'linux'],
  ['something', 'linux'],
])('Wazuh: the policy %s is one of %s', (id, platform) => {
  const text = `policy: { id: ${id} }\nchecks: [{ id: 1, title: T, condition: all, rules: ['f:/x'] }]\n`;
  const { checks, notes } = imported('wazuh-sca', text);
  expect(checks[0]?.platforms).toEqual([platform]);
  expect(notes.some((note) => note.includes('for which platform'))).toBe(id === 'something');
});

test.each([
  ['fleet', (sql: string) => `policies: [{ name: Q, query: "${sql}" }, 5]`],
  ['osquery', (sql: string) => JSON.stringify({ schedule: {}, queries: { q: { query: sql } } })],
  ['sql', (sql: string) => `-- Q\n-- severity: worst\n${sql}`],
] as const)('%s: a statement is taken over whole or not at all, and the rest is told', (from, text) => {
  const whole = `SELECT ${'1 '.repeat(8_000)}`;
  const { checks, notes } = imported(from, text(whole));
  expect(checks).toHaveLength(1);
  expect(notes).toHaveLength(1);
  const longer = imported(from, text(`${whole}${'2'.repeat(400)}`));
  expect(longer.checks).toEqual([]);
  expect(longer.notes.join()).toMatch(/its statement has \d+ characters, more than 16384/);
});

test('Wazuh: a dot of OSRegex is a dot, and an escaped one is any character', () => {
  const translated = translateRule('f:/a -> r:^a.b\\.c\\s*\\d+$', 'osregex');
  expect(translated.ok && translated.sql).toContain("'^a\\.b.c\\s*\\d+$'");
});

test.each(['fleet', 'osquery', 'sql', 'wazuh-sca'] as const)(
  'what is no file of %s gives notes and no pack',
  (from) => {
    for (const text of ['', '\u0000', '[1, 2', '{"queries": 1}', 'a: &a [*a]'])
      expect(imported(from, text).checks.every(({ id }) => id !== '')).toBe(true);
  },
);
