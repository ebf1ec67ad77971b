import { expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { runCli } from '../run.js';
import { cliHarness } from '../testing/cli-harness.js';

const { api, terminal } = cliHarness();
const ID = `q${'0'.repeat(26)}`;
const ROUTE = `GET /v1/scans/${ID}/findings`;

test('an export is printed as it comes, and whole', async () => {
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  api.on(ROUTE, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/csv' });
    // A character of two bytes is divided.
    response.write(Buffer.from('a\r\n\u00fc').subarray(0, 4));
    void gate.then(() => response.end(Buffer.from('\u00fc\r\n').subarray(1)));
  });
  const used = terminal();
  const code = runCli(['scan', 'findings', ID, '-o', 'csv'], used);
  await eventually(() => Promise.resolve(used.out() === 'a\r\n'));
  go();
  expect(await code).toBe(0);
  expect(used.out()).toBe('a\r\n\u00fc\r\n');
});

test('one that breaks off is an error: a part is not taken for the whole', async () => {
  api.on(ROUTE, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/csv' });
    response.write('a\r\n', () => response.destroy());
  });
  const used = terminal();
  expect(await runCli(['scan', 'findings', ID, '-o', 'csv'], used)).toBe(1);
  expect(used.err()).toMatch(/^error: /);
});
