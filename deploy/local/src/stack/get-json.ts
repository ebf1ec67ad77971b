import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface GetOptions {
  /** PEM of the authority to trust. */
  readonly ca?: string;
  readonly token?: string;
  readonly timeoutMs?: number;
}

/** Sends a GET and parses the JSON answer, also of a status from 400. @throws Error without an answer in time, or when it is no JSON. */
export function getJson(
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
