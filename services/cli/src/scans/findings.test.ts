import { expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { runCli } from '../run.js';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster, terminal } = cliHarness();
const ID = `q${'0'.repeat(26)}`;
const ROUTE = `GET /v1/scans/${ID}/findings`;
const NDJSON = { 'content-type': 'application/x-ndjson' };
const THERE = 20_000;

const line = (n: number): string =>
  `${JSON.stringify({ check: `c${n}`, outcome: 'fail', reason: null, evidence: null, endpoints: 1, sample: [], exceptions: [] })}\n`;

/** All findings as lines; the first ones only for who does not ask for lines. */
function serve(): void {
  api.on(ROUTE, ({ headers }, response) => {
    if (headers.accept !== 'application/x-ndjson') {
      response.writeHead(200, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify({ items: [JSON.parse(line(0))], isCut: true }));
    }
    response.writeHead(200, NDJSON);
    for (let n = 0; n < THERE; n += 1) response.write(line(n));
    response.end();
  });
}

test('every finding is printed in the forms that programs read, and as many as are asked for', async () => {
  serve();
  const whole = await muster(['scan', 'findings', ID, '-o', 'ndjson']);
  expect({ ...whole, out: whole.out.split('\n').length - 1 }).toMatchObject({ code: 0, out: THERE, err: '' });
  expect(JSON.parse((await muster(['scan', 'findings', ID, '-o', 'json'])).out)).toHaveLength(THERE);
  const some = await muster(['scan', 'findings', ID, '-o', 'ndjson', '--limit', '300']);
  expect(some.out.trim().split('\n')).toHaveLength(300);
});

test('a table has the first ones, says so, and does not read the rest', async () => {
  let closed = false;
  api.on(ROUTE, (_, response) => {
    response.writeHead(200, NDJSON);
    response.on('close', () => (closed = true));
    for (let n = 0; n < 201; n += 1) response.write(line(n));
  });
  const { code, out, err } = await muster(['scan', 'findings', ID]);
  expect({ code, lines: out.trim().split('\n').length }).toEqual({ code: 0, lines: 201 });
  expect(err).toBe('These are the first 200; --limit shows more.\n');
  await eventually(() => Promise.resolve(closed));
});

test('they are printed as they come', async () => {
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  api.on(ROUTE, (_, response) => {
    response.writeHead(200, NDJSON);
    response.write(line(0));
    void gate.then(() => response.end(line(1)));
  });
  const used = terminal();
  const code = runCli(['scan', 'findings', ID, '-o', 'ndjson'], used);
  await eventually(() => Promise.resolve(used.out() === line(0)));
  go();
  expect(await code).toBe(0);
  expect(used.out()).toBe(line(0) + line(1));
});

test('an answer that breaks off is an error', async () => {
  api.on(ROUTE, (_, response) => {
    response.writeHead(200, NDJSON);
    response.write(line(0), () => response.destroy());
  });
  expect(await muster(['scan', 'findings', ID, '-o', 'ndjson'])).toMatchObject({ code: 1, out: line(0) });
});
