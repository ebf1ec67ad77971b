import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runCli } from '../run.js';
import { fakeTerminal } from '../testing/fake-terminal.js';
import { resolveContext } from '../environment/context.js';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'muster-cli-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const terminal = (env: Record<string, string> = {}, input = '') =>
  fakeTerminal({ home, cwd: join(home, 'work', 'deep'), env, input });
const set = (...args: string[]) => runCli(['context', 'set', ...args], terminal());

test('a named context comes before the environment, then the current context, then a local stack', async () => {
  mkdirSync(join(home, 'work', 'deep'), { recursive: true });
  expect(() => resolveContext(terminal(), undefined)).toThrow('no server is configured');

  mkdirSync(join(home, 'work', '.muster'));
  writeFileSync(
    join(home, 'work', '.muster', 'local.json'),
    JSON.stringify({ apiUrl: 'https://local', token: 'l', caPath: '/ca', pids: { runner: process.pid } }),
  );
  expect(resolveContext(terminal(), undefined)).toMatchObject({ apiUrl: 'https://local', token: 'l', caPath: '/ca' });

  await set('one', '--api-url', 'https://one/', '--token', '1');
  await set('two', '--api-url', 'https://two', '--token', '2');
  expect(resolveContext(terminal(), undefined)).toMatchObject({ apiUrl: 'https://one', token: '1' });
  const env = { MUSTER_API_URL: 'https://env', MUSTER_TOKEN: 'e' };
  expect(resolveContext(terminal(env), undefined)).toMatchObject({
    apiUrl: 'https://env',
    token: 'e',
    caPath: undefined,
  });
  expect(resolveContext(terminal(env), 'two')).toMatchObject({ apiUrl: 'https://two', token: 'e' });
  expect(resolveContext(terminal({ MUSTER_CONTEXT: 'two' }), undefined)).toMatchObject({
    apiUrl: 'https://two',
    token: '2',
  });
  expect(() => resolveContext(terminal(), 'three')).toThrow('there is no context "three"');
});

test('a local stack that was killed is not mistaken for one that runs', () => {
  mkdirSync(join(home, '.muster'));
  writeFileSync(
    join(home, '.muster', 'local.json'),
    JSON.stringify({ apiUrl: 'https://local', token: 'l', pids: { runner: 2 ** 22 + 1 } }),
  );
  expect(() => resolveContext(fakeTerminal({ home, cwd: home }), undefined)).toThrow(/no longer runs/);
});

test('contexts are stored in a file that only their owner can read, and tokens are never shown', async () => {
  const first = terminal({}, 'secret-token\n');
  expect(
    await runCli(['context', 'set', 'prod', '--api-url', 'https://p', '--token', '-', '--ca', 'ca.pem'], first),
  ).toBe(0);
  const path = join(home, '.config', 'muster', 'config.json');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  for (const args of [['context'], ['context', 'show']]) {
    const shown = terminal();
    expect(await runCli(args, shown)).toBe(0);
    expect(shown.out()).toContain('https://p');
    expect(shown.out()).toContain(join(home, 'work', 'deep', 'ca.pem'));
    expect(shown.out() + shown.err()).not.toContain('secret-token');
  }
  await set('other', '--api-url', 'https://o');
  expect(await runCli(['context', 'use', 'other'], terminal())).toBe(0);
  expect(await runCli(['context', 'remove', 'other'], terminal())).toBe(0);
  expect(await runCli(['context', 'use', 'other'], terminal())).toBe(2);
  expect(await runCli(['context', 'set', 'bad name', '--api-url', 'https://o'], terminal())).toBe(2);
  expect(await runCli(['context', 'set', 'x', '--api-url', 'ftp://o'], terminal())).toBe(2);
});

test('a configuration that the system does not let be written is one line', async () => {
  // A folder where the draft should be.
  mkdirSync(join(home, 'config', 'muster', `config.json.${process.pid}.tmp`), { recursive: true });
  const used = terminal({ XDG_CONFIG_HOME: join(home, 'config') });
  expect(await runCli(['context', 'set', 'one', '--api-url', 'https://one'], used)).toBe(1);
  expect(used.err()).toMatch(/^error: EISDIR: [^\n]+\n$/);
});
