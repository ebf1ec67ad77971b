import { framingFault } from '@muster/runtime';
import { READ_HEADERS, type HttpReply, type HttpRequest } from './http-message.js';
import { problemReply } from './replies.js';

/** What transports read besides; no handler sees it. */
const OWN_HEADERS = [
  'host',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'connection',
  'sec-websocket-version',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'x-forwarded-for',
] as const;

type HeaderName = (typeof READ_HEADERS)[number] | (typeof OWN_HEADERS)[number];

const KNOWN: ReadonlySet<string> = new Set<HeaderName>([...READ_HEADERS, ...OWN_HEADERS]);
/**
 * The header fields of one request, of both transports. Fields of one name are joined to a list, as RFC 9110 §5.3 says: what a proxy added
 * stands behind what the client sent. A field without a value is there, with ''.
 */
export class RequestHead {
  readonly #fields = new Map<string, string>();
  readonly #hosts: string[] = [];

  /** `name` in lower case. */
  add(name: string, value: string): void {
    if (!KNOWN.has(name)) return;
    if (name === 'host') this.#hosts.push(value);
    const former = this.#fields.get(name);
    this.#fields.set(name, former === undefined ? value : `${former}, ${value}`);
  }

  get(name: HeaderName): string | undefined {
    return this.#fields.get(name);
  }

  /** The fields for handlers. */
  get headers(): HttpRequest['headers'] {
    const headers: Partial<Record<(typeof READ_HEADERS)[number], string>> = {};
    for (const name of READ_HEADERS) {
      const value = this.#fields.get(name);
      if (value !== undefined) headers[name] = value;
    }
    return headers;
  }

  /** Whether the body has no length in the head: it ends where its last chunk says. */
  get isChunked(): boolean {
    return this.#fields.has('transfer-encoding');
  }

  get hasBody(): boolean {
    return this.isChunked || Number(this.get('content-length') ?? 0) > 0;
  }

  /** The reply to a request that is framed unclearly. The connection is closed after it. */
  refuse(): HttpReply | undefined {
    const fault = framingFault({
      hosts: this.#hosts,
      length: this.get('content-length'),
      coding: this.get('transfer-encoding'),
    });
    return fault === undefined ? undefined : problemReply('bad_request', fault, { connection: 'close' });
  }
}
