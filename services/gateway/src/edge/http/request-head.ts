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
/** RFC 9110 §4.2: a name or address, and a port. */
const HOST = /^[\w.~%:[\]-]+$/;
/** A number that stays exact. */
const LENGTH = /^\d{1,15}$/;

/**
 * The header fields of one request, of both transports. Fields of one name are joined to a list, as RFC 9110 §5.3 says: what a proxy added
 * stands behind what the client sent. A field without a value is there, with ''.
 */
export class RequestHead {
  readonly #fields = new Map<string, string>();
  #hosts = 0;

  /** `name` in lower case. */
  add(name: string, value: string): void {
    if (!KNOWN.has(name)) return;
    if (name === 'host') this.#hosts += 1;
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

  /**
   * The reply to a request whose end, or whose receiver, a proxy may see elsewhere than the gateway does (RFC 9112 §3.2, §6.1, §6.3). The
   * connection must be closed after it.
   */
  refuse(): HttpReply | undefined {
    const length = this.get('content-length');
    const coding = this.get('transfer-encoding');
    if (this.#hosts !== 1 || !HOST.test(this.get('host') ?? '')) return unclear('exactly one Host');
    if (length !== undefined && coding !== undefined) return unclear('Content-Length or Transfer-Encoding, not both');
    if (length !== undefined && !LENGTH.test(length)) return unclear('one Content-Length, a number');
    if (coding !== undefined && coding.toLowerCase() !== 'chunked')
      return unclear('chunked as the only Transfer-Encoding');
    return undefined;
  }
}

function unclear(wanted: string): HttpReply {
  return problemReply('bad_request', `a request may have ${wanted}`, { connection: 'close' });
}
