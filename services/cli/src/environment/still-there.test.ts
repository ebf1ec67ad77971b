import { expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { commandJson, COMMAND_ID, endedQuery, queryJson, QUERY_ID } from '../testing/fake-api.js';

const { api, muster } = cliHarness();
const SILENT = { code: 'timeout', detail: 'the posture service did not answer in time', status: 504, retryable: true };

test('a scan whose outcomes nobody tells says where it is found', async () => {
  api.query(queryJson(), [{ event: 'ended', seq: 1, query: endedQuery() }]);
  api.json('POST /v1/scans', { id: QUERY_ID }, 201);
  api.json(`GET /v1/scans/${QUERY_ID}`, SILENT, 504);
  expect(await muster(['scan', 'baseline'])).toMatchObject({
    code: 1,
    err: expect.stringContaining(
      `error: the posture service did not answer in time (timeout)\nthe scan ${QUERY_ID} may go on: muster scan show ${QUERY_ID}, muster queries cancel ${QUERY_ID}\n`,
    ),
  });
});

test('so does one for vulnerabilities', async () => {
  api.json('POST /v1/vulnerability-scans', { id: 'v1' }, 201);
  api.json('GET /v1/vulnerability-scans/v1', SILENT, 504);
  const { code, err } = await muster(['vulnerabilities', 'scan']);
  expect({ code, err }).toEqual({
    code: 1,
    err: expect.stringContaining('the scan v1 may go on: muster vulnerabilities list --scan v1\n'),
  });
});

test('so do a query and a command whose stream is refused', async () => {
  const refused = { code: 'forbidden', detail: 'no', status: 403 };
  for (const [more, line] of [
    [{}, `what came of it: muster queries rows ${QUERY_ID}\n`],
    [{ waitUntil: '2026-02-01T00:00:00.000Z' }, `the query ${QUERY_ID} may go on: muster queries rows ${QUERY_ID}, `],
  ] as const) {
    api.query(queryJson(more), []);
    api.json(`GET /v1/queries/${QUERY_ID}/events`, refused, 403);
    expect(await muster(['query', 'SELECT 1'])).toMatchObject({ code: 1, err: expect.stringContaining(line) });
  }
  api.command(commandJson(), []);
  api.json(`GET /v1/commands/${COMMAND_ID}/events`, refused, 403);
  const command = await muster(['commands', 'watch', COMMAND_ID]);
  expect(command).toMatchObject({ code: 1, err: expect.stringContaining(`the command ${COMMAND_ID} may go on: `) });
});

test('a scan that did not begin names none', async () => {
  api.json('POST /v1/scans', SILENT, 504);
  expect((await muster(['scan', 'baseline'])).err).not.toContain('may go on');
});
