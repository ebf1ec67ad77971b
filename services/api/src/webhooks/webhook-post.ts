import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { WebhookDeliveryRecord, WebhookRecord } from '@muster/records';
import { readFault, type Clock } from '@muster/runtime';
import { FORBIDDEN_ADDRESS, type Destinations } from './destination.js';
import { signatureHeader } from './signature.js';

export interface PostAttempt {
  /** 0 where there was no answer. */
  readonly status: number;
  /** Why it failed, for people; `undefined` after a 2xx. */
  readonly error?: string;
}

/** For name, connection and the head of the answer. */
export const POST_TIMEOUT_MS = 10_000;

/** Posts one delivery on a connection of its own. Redirects are not followed, and answers are not read. Never rejects. */
export async function postDelivery(
  { clock, destinations }: { readonly clock: Clock; readonly destinations: Destinations },
  webhook: WebhookRecord,
  delivery: WebhookDeliveryRecord,
  signal: AbortSignal,
): Promise<PostAttempt> {
  const url = new URL(webhook.url);
  if (!destinations.permitsLiteral(url)) return { status: 0, error: FORBIDDEN_ADDRESS };
  const { body = '' } = delivery;
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'muster-webhooks',
    'muster-event-id': delivery.eventId,
    'muster-event-type': delivery.type,
    'muster-signature': signatureHeader(webhook.secret, body, clock.now()),
  };
  const ended = new AbortController();
  const abort = (): void => ended.abort();
  const timer = clock.setTimeout(abort, POST_TIMEOUT_MS);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    const status = await new Promise<number>((resolve, reject) => {
      const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const options = { method: 'POST', headers, agent: false as const, lookup: destinations.lookupFor(url) };
      const sent = request(url, { ...options, signal: ended.signal }, (answer) => {
        answer.destroy();
        resolve(answer.statusCode ?? 0);
      });
      sent.on('error', reject);
      sent.end(body);
    });
    return status >= 200 && status < 300 ? { status } : { status, error: `the receiver answered ${status}` };
  } catch (error) {
    return { status: 0, error: ended.signal.aborted ? 'no answer in time' : readFault(error) };
  } finally {
    clock.clear(timer);
    signal.removeEventListener('abort', abort);
  }
}
