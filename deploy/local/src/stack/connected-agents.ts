import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

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
    const answer = await getJson(url, { token, ...ca }).catch((error: unknown) => ({ status: 0, body: error }));
    const { status, body } = answer;
    if (status === 200 && ((body as { items?: unknown[] }).items?.length ?? 0) >= atLeast) return;
    if (performance.now() > giveUpAt) {
      const last = status === 0 ? String(body) : `${status} ${JSON.stringify(body).slice(0, 300)}`;
      throw new Error(`The agent runs, but the API does not list it as connected. Its last answer: ${last}`);
    }
    await delay(POLL_MS);
  }
}

interface GetOptions {
  /** PEM of the authority to trust. */
  readonly ca?: string;
  readonly token?: string;
  readonly timeoutMs?: number;
}

/** Sends a GET and parses the JSON answer, also of a status from 400. @throws Error without an answer in time, or when it is no JSON. */
function getJson(
  url: string,
  { ca, token, timeoutMs = 5_000 }: GetOptions = {},
): Promise<{ status: number; body: unknown }> {
  const headers = { accept: 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { headers, agent: false, signal: AbortSignal.timeout(timeoutMs), ...(ca ? { ca } : {}) },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => (text += part));
        response.on('error', reject);
        response.on('end', () => {
          try {
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown });
          } catch (cause) {
            reject(new Error(`${url} answered no JSON`, { cause }));
          }
        });
      },
    );
    call.on('error', reject);
    call.end();
  });
}
