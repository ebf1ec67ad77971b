import type { IncomingMessage } from 'node:http';

/** An HTTP error response of the gateway, or of a proxy in front of it. */
export interface Refusal {
  readonly status: number;
  /** The `code` of the problem document (RFC 9457); only gateways send one. */
  readonly code?: string;
  readonly detail?: string;
  readonly retryAfterMs?: number;
}

const MAX_BODY_BYTES = 16 * 1024;
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Reads a refusal, up to a bound. Never rejects: without a readable body, only the status is set. */
export async function readRefusal(response: IncomingMessage, nowMs: number): Promise<Refusal> {
  const retryAfterMs = parseRetryAfter(response.headers['retry-after'], nowMs);
  return {
    status: response.statusCode ?? 0,
    ...problemMembers(await readBody(response)),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** `Retry-After` (RFC 9110 §10.2.3), seconds or a date, as milliseconds from now; at most an hour. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const delayMs = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - nowMs;
  return Number.isNaN(delayMs) ? undefined : Math.min(Math.max(delayMs, 0), MAX_RETRY_AFTER_MS);
}

/** `code` and `detail` of a problem document; empty when the body is not one. */
export function problemMembers(body: string): { code?: string; detail?: string } {
  let problem: unknown;
  try {
    problem = JSON.parse(body);
  } catch {
    return {};
  }
  if (typeof problem !== 'object' || problem === null) return {};
  const { code, detail } = problem as { code?: unknown; detail?: unknown };
  return {
    ...(typeof code === 'string' ? { code: code.slice(0, 64) } : {}),
    ...(typeof detail === 'string' ? { detail: detail.slice(0, 512) } : {}),
  };
}

/** The first bytes of the body as text; an error ends it early. */
export async function readBody(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part);
      length += part.length;
      if (length > MAX_BODY_BYTES) break;
    }
  } catch {
    // Cut off: the part that arrived is used.
  }
  return Buffer.concat(parts).subarray(0, MAX_BODY_BYTES).toString('utf8');
}
