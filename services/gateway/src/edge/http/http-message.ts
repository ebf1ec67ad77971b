import { CONNECT_PROOF_HEADER, POLL_SEQUENCE_HEADER, POLL_SESSION_HEADER } from '@muster/protocol';

/** The headers that any handler looks at; a transport reads no others. */
export const READ_HEADERS = [
  'authorization',
  'content-type',
  'content-encoding',
  'accept-encoding',
  'if-none-match',
  'origin',
  CONNECT_PROOF_HEADER,
  POLL_SESSION_HEADER,
  POLL_SEQUENCE_HEADER,
] as const;

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly address: string;
  readonly headers: Readonly<Partial<Record<(typeof READ_HEADERS)[number], string>>>;
  readonly body: Uint8Array;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Nothing of it is sent with 204 and 304. */
  readonly body: string | Uint8Array;
}

/** The reason phrases that we use; uWebSockets wants the whole status line. */
export const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  410: 'Gone',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** Whether a reply of this status has no body at all (RFC 9110 §15.3.5, §15.4.5). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}
