import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { PollClient } from './poll-client.js';

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly headers: IncomingHttpHeaders;
}

/** The reply to an upgrade that must not succeed. */
export async function refusedUpgrade(
  url: string,
  options: { protocol?: string; token?: string; path?: string },
): Promise<Refusal> {
  const { protocol, token, path = '/v1/live' } = options;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`ws://${url}${path}`, protocol === undefined ? [] : [protocol], { headers });
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const body = Buffer.concat((await response.toArray()) as Buffer[]).toString();
  const { code } = JSON.parse(body) as { code: string };
  return { status: response.statusCode ?? 0, code, headers: response.headers };
}

/** The reply to the opening of a poll session that must not succeed. */
export async function refusedPoll(url: string, token: string | undefined): Promise<Refusal> {
  const client = new PollClient();
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const { status, headers, body } = await client.ask(url, { method: 'POST', headers: authorization });
  client.stop();
  const { code } = JSON.parse(body.toString()) as { code: string };
  return { status, code, headers };
}
