import { text } from 'node:stream/consumers';
import { call, type ApiAccess } from '../measure/rest.js';

/** What consoles and completions read of a fleet: pages, counts, labels. */
const PATHS = [
  '/v1/agents?limit=200',
  '/v1/agents?counts=os',
  '/v1/agents?selector=os%3Dlinux&limit=200',
  '/v1/agents?selector=mode%3Dlive&limit=200',
  '/v1/labels',
  '/v1/labels?selector=os%3Dlinux',
  '/v1/fleet?by=os',
  '/v1/fleet/metrics?by=os',
  '/v1/fleet/top?by=cpu',
  '/v1/health',
];
const PAGES = 5;

/** Reads all of them, and some pages more. Returns the milliseconds of the slowest. */
export async function look(api: ApiAccess): Promise<number> {
  let slowestMs = 0;
  const get = async (path: string): Promise<string> => {
    const begin = performance.now();
    const response = await call(api, { method: 'GET', path });
    const body = await text(response);
    if (response.statusCode !== 200) throw new Error(`${path} was answered with ${response.statusCode}: ${body}`);
    slowestMs = Math.max(slowestMs, performance.now() - begin);
    return body;
  };
  for (const path of PATHS) await get(path);
  let cursor = '';
  for (let page = 0; page < PAGES; page += 1) {
    const { nextCursor } = JSON.parse(await get(`/v1/agents?limit=200${cursor}`)) as { nextCursor?: string };
    if (nextCursor === undefined) break;
    cursor = `&cursor=${encodeURIComponent(nextCursor)}`;
  }
  return slowestMs;
}
