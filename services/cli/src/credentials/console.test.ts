import { expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness();

function answerWith(link: object): void {
  api.on('POST /v1/session/links', (_request, response) => {
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ expiresAt: '2026-01-01T00:10:00.000Z', path: '/sign-in#code=abc', ...link }));
  });
}

test('prints a link to the console: at the address that the API knows of itself, or that of the context', async () => {
  answerWith({ url: 'https://muster.example/sign-in#code=abc' });
  const { code, out, err } = await muster(['console', '--for', '30m', '--utc']);
  expect([code, out]).toEqual([0, 'https://muster.example/sign-in#code=abc\n']);
  expect(err).toContain('2026-01-01 00:10');
  expect(api.requests.map(({ body }) => body)).toEqual([{ for: '30m' }]);
  answerWith({});
  expect((await muster(['console'])).out).toBe(`${api.url}/sign-in#code=abc\n`);
  const env = { MUSTER_CONSOLE_URL: 'https://console.example/' };
  const json = await muster(['console', '-o', 'json'], { env });
  expect(JSON.parse(json.out)).toEqual({
    url: 'https://console.example/sign-in#code=abc',
    expiresAt: '2026-01-01T00:10:00.000Z',
  });
});

test('what is no duration is refused before anything is asked', async () => {
  expect(await muster(['console', '--for', 'ever'])).toMatchObject({ code: 2, out: '' });
  expect(api.requests).toEqual([]);
});
