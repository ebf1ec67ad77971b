import { expect, test } from '@jest/globals';
import { runCli } from '../run.js';
import { fakeTerminal } from '../testing/fake-terminal.js';

async function complete(...words: string[]): Promise<string[]> {
  const terminal = fakeTerminal();
  expect(await runCli(['__complete', '--', ...words], terminal)).toBe(0);
  return terminal
    .out()
    .split('\n')
    .filter((word) => word !== '');
}

test('commands, their commands, options and values of options complete', async () => {
  expect(await complete('qu')).toEqual(['query']);
  expect(await complete('agents', '')).toEqual(['list', 'show', 'label', 'revoke']);
  expect(await complete('query', '--ta')).toEqual(['--target']);
  expect(await complete('query', '--output', 'nd')).toEqual(['ndjson']);
  expect(await complete('tokens', 'create', 'x', '--role', '')).toEqual(['viewer', 'analyst', 'responder', 'admin']);
  expect(await complete('query', '--target', '')).toEqual([]);
  expect(await complete('completion', 'f')).toEqual(['fish']);
});

test('hidden commands are not offered, and each shell has a script', async () => {
  expect(await complete('_')).toEqual([]);
  for (const shell of ['bash', 'zsh', 'fish']) {
    const terminal = fakeTerminal();
    expect(await runCli(['completion', shell], terminal)).toBe(0);
    expect(terminal.out()).toContain('muster __complete');
  }
  expect(await runCli(['completion', 'tcsh'], fakeTerminal())).toBe(2);
});
