import { problemOf, type ErrorCode } from '@muster/protocol';
import type { HttpReply } from './http-message.js';

/** An RFC 9457 problem document as a reply. */
export function problemReply(
  code: ErrorCode,
  message: string,
  headers: Readonly<Record<string, string>> = {},
  details: Readonly<Record<string, unknown>> = {},
): HttpReply {
  const problem = problemOf({ code, message, details });
  return {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(problem),
  };
}

export function jsonReply(status: number, value: unknown): HttpReply {
  return {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify(value),
  };
}

/** A `Retry-After` of at least `atLeastMs`, spread out so that those who were refused together do not come back together. */
export function retryAfter(atLeastMs: number, random: () => number = Math.random): Record<string, string> {
  return { 'retry-after': String(Math.max(1, Math.ceil(atLeastMs / 1_000)) + Math.floor(random() * 10)) };
}

/** The credentials of an `Authorization: Bearer` header (RFC 6750 §2.1). */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1];
}

export const TOO_LARGE: HttpReply = problemReply('too_large', 'the body is over the limit', { connection: 'close' });
export const FAILED: HttpReply = problemReply('internal', 'the gateway failed');
