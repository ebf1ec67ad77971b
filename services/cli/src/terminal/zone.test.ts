import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { FakeApi, endedQuery, QUERY_ID } from '../testing/fake-api.js';

const main = fileURLToPath(new URL('../main.js', import.meta.url));

/** The real program: the zone is that of its process. */
async function shown(api: FakeApi, zone: string, ...options: string[]): Promise<string> {
  const args = [main, ...options, 'queries', 'show', QUERY_ID];
  const env = { PATH: process.env['PATH'], TZ: zone, MUSTER_API_URL: api.url, MUSTER_TOKEN: 't' };
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  return /^asked +(.*) by/m.exec(stdout)?.[1] ?? stdout;
}

test('times are of the zone that TZ names, labelled with it, or with --utc of UTC', async () => {
  const api = new FakeApi();
  await api.start();
  try {
    api.json(`GET /v1/queries/${QUERY_ID}`, endedQuery());
    expect(await shown(api, 'Asia/Kolkata')).toBe('2026-01-01 05:30 +05:30');
    expect(await shown(api, 'America/New_York')).toBe('2025-12-31 19:00 -05:00');
    expect(await shown(api, 'America/New_York', '--utc')).toBe('2026-01-01 00:00 UTC');
  } finally {
    await api.stop();
  }
});
