import { expect, test } from '@jest/globals';
import { importQuestions } from './import-questions.js';
import { parseQuestion } from './question-file.js';

const imported = (file: string, text: string) => {
  const { questions, notes } = importQuestions(file, text);
  return { notes, files: Object.fromEntries(questions.map(({ name, text: one }) => [name, parseQuestion(one)])) };
};

test('a pack of osquery, with its comments and continued lines', () => {
  const text = `# a pack
{
  "platform": "linux",
  "discovery": ["SELECT 1"],
  "queries": {
    // the first
    "Open Ports": {"query": "SELECT port \\
FROM listening_ports;", "interval": 60, "description": "Ports: all of\\nthem"},
    "everywhere": {"query": "SELECT 1", "platform": "posix"},
    "bsd": {"query": "SELECT 1", "platform": "freebsd"},
    "empty": {"interval": 1},
    "open-ports": {"query": "SELECT 2"}
  }
}`;
  const { files, notes } = imported('x.conf', text);
  expect(files).toMatchObject({
    'open-ports': {
      target: 'os=linux',
      description: 'Ports - all of them',
      sql: expect.stringMatching(/listening_ports\n$/),
    },
    everywhere: { target: 'os in (darwin,linux)' },
  });
  expect(Object.keys(files)).toHaveLength(2);
  expect(notes).toEqual([
    'has no use for discovery of the whole file',
    'Open Ports: has no use for interval',
    expect.stringContaining('bsd: left out: platform "freebsd"'),
    'empty: left out: it has no SQL',
    expect.stringContaining('open-ports: left out: the name'),
  ]);
});

test("Fleet's documents", () => {
  const text = `apiVersion: v1
kind: query
spec:
  name: Detect something
  platform: darwin, linux
  description: |
    two
    lines
  query: |
    SELECT 1
    FROM users;
  tags: one, two
  purpose: Detection
---
apiVersion: v1
kind: policy
spec:
  name: no
`;
  const { files, notes } = imported('fleet.yml', text);
  expect(files).toMatchObject({
    'detect-something': { target: 'os in (darwin,linux)', tags: ['one', 'two'], description: 'two lines' },
  });
  expect(notes).toEqual([
    'a document of kind "policy" is no query with a name, and was left out',
    'Detect something: has no use for purpose',
  ]);
});

test.each([
  ['a list at the top', '- name: Open ports\n  query: SELECT 1\n  platform: linux\n  interval: 60\n'],
  [
    'the list of a GitOps file',
    'queries:\n  - name: Open ports\n    query: SELECT 1\n    platform: linux\n    interval: 60\n',
  ],
])("Fleet's queries as %s", (_, text) => {
  const { files, notes } = imported('fleet.yml', text);
  expect(files).toMatchObject({ 'open-ports': { target: 'os=linux' } });
  expect(notes).toEqual(['Open ports: has no use for interval']);
});

test.each([
  ['[]', 'has no queries'],
  ['- one\n', '"one" is no query, and was left out'],
  ['- query: SELECT 1\n', 'an entry without a name is no query with a name, and was left out'],
  ['just text', '"just text" is no query, and was left out'],
])('what gives no question says so: %j', (text, note) => {
  expect(imported('fleet.yml', text)).toMatchObject({ notes: [note] });
});

test('SQL below comments', () => {
  const text =
    '-- Unexpected things\n--\n-- references:\n--   * https://example.com/x\n-- platform: linux\n-- tags: a b\nSELECT 1;\n';
  expect(imported('dir/some_file.sql', text).files).toMatchObject({
    'some-file': { target: 'os=linux', tags: ['a', 'b'] },
  });
});

// Each would be asked of other endpoints than its author meant, or in another way.
test.each([
  ['x.json', JSON.stringify({ queries: { a: { query: '-- target: os=linux\nSELECT 1' } } })],
  ['x.json', JSON.stringify({ queries: { a: { query: '-- reduce: SELECT 1\nSELECT 1' } } })],
  ['x.json', JSON.stringify({ queries: { a: { query: 'SELECT 1', platform: { $ne: 1 } } } })],
])('%s: %s is left out', (file, text) => {
  const { files, notes } = imported(file, text);
  expect([files, notes.join()]).toEqual([{}, expect.stringContaining('left out')]);
});

test('a description cannot hold an option', () => {
  const description = 'x\n-- target: os=windows\r-- group\u2028-- timeout: 1s';
  const text = JSON.stringify({ queries: { a: { query: 'SELECT 1', description } } });
  expect(Object.keys(imported('x.json', text).files['a'] ?? {}).sort()).toEqual(['body', 'description', 'sql']);
});

test('what is no such file, and a bomb of aliases, are said in one line', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
    .split('')
    .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`)
    .join('\n')}`;
  for (const [file, text] of [
    ['x.json', '{'],
    ['x.json', '[]'],
    ['x.yml', ': :\n\t- ['],
    ['x.yml', bomb],
    ['x.txt', ''],
  ])
    expect(imported(file ?? '', text ?? '')).toEqual({ files: {}, notes: [expect.any(String)] });
});
