import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

interface AskOptions {
  /** PEM of the authority to trust. */
  readonly ca?: string;
  readonly token?: string;
  readonly timeoutMs?: number;
  /** Sent by POST. */
  readonly body?: unknown;
}

/**
 * Sends a GET, or a POST with a body, and parses the JSON answer, also of a status from 400. @throws Error without an
 * answer in time, or when it is no JSON.
 */
export function askJson(
  url: string,
  { ca, token, timeoutMs = 5_000, body }: AskOptions = {},
): Promise<{ status: number; body: unknown }> {
  const headers = {
    accept: 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const method = body === undefined ? 'GET' : 'POST';
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { method, headers, agent: false, signal: AbortSignal.timeout(timeoutMs), ...(ca ? { ca } : {}) },
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
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
