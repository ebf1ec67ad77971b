import { readFile } from 'node:fs/promises';
import { askJson } from './ask-json.js';

/** The address that signs its first visitor in to the console, within an hour. @throws Error with the API's answer. */
export async function signInLink({
  apiUrl,
  token,
  caPath,
}: {
  readonly apiUrl: string;
  readonly token: string;
  readonly caPath: string | undefined;
}): Promise<string> {
  const ca = caPath === undefined ? {} : { ca: await readFile(caPath, 'utf8') };
  const { status, body } = await askJson(`${apiUrl}/v1/session/links`, { token, ...ca, body: { for: '1h' } });
  const path: unknown = (body as { readonly path?: unknown } | undefined)?.path;
  if (status === 201 && typeof path === 'string') return apiUrl + path;
  throw new Error(`The API made no link to the console: ${status} ${JSON.stringify(body).slice(0, 300)}`);
}
