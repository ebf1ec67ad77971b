import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { askJson } from './ask-json.js';

const TIMEOUT_MS = 20_000;
const POLL_MS = 50;

/**
 * Resolves when the API lists at least this many agents as connected, over either channel. That proves that all services work together.
 * @throws Error with the API's last answer.
 */
export async function waitForConnectedAgents(
  atLeast: number,
  { apiUrl, token, caPath }: { readonly apiUrl: string; readonly token: string; readonly caPath: string | undefined },
): Promise<void> {
  const ca = caPath === undefined ? {} : { ca: await readFile(caPath, 'utf8') };
  const url = `${apiUrl}/v1/agents?selector=${encodeURIComponent('mode in (live,poll)')}`;
  const giveUpAt = performance.now() + TIMEOUT_MS;
  for (;;) {
    const answer = await askJson(url, { token, ...ca }).catch((error: unknown) => ({ status: 0, body: error }));
    const { status, body } = answer;
    if (status === 200 && ((body as { items?: unknown[] }).items?.length ?? 0) >= atLeast) return;
    if (performance.now() > giveUpAt) {
      const last = status === 0 ? String(body) : `${status} ${JSON.stringify(body).slice(0, 300)}`;
      throw new Error(`The agent runs, but the API does not list it as connected. Its last answer: ${last}`);
    }
    await delay(POLL_MS);
  }
}
