import type { IncomingMessage } from 'node:http';

/** The gateway (or something before it) answered the upgrade with a plain HTTP response. */
export interface Refusal {
  readonly status: number;
  /** The `code` of the problem document (RFC 9457), when the answer was one of ours. */
  readonly code?: string;
  readonly detail?: string;
  readonly retryAfterMs?: number;
}

const MAX_BODY_BYTES = 16 * 1024;
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Reads a refusal to its end or its bound. Never rejects: a body that cannot be read leaves only the status. */
export async function readRefusal(response: IncomingMessage, nowMs: number): Promise<Refusal> {
  const retryAfterMs = parseRetryAfter(response.headers['retry-after'], nowMs);
  return {
    status: response.statusCode ?? 0,
    ...problemMembers(await readBody(response)),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** `Retry-After` (RFC 9110 §10.2.3), seconds or a date, as milliseconds from now; at most an hour, whoever asks for more. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const delayMs = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - nowMs;
  return Number.isNaN(delayMs) ? undefined : Math.min(Math.max(delayMs, 0), MAX_RETRY_AFTER_MS);
}

/** What a problem document says, as far as it is one. */
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

/** The body's first bytes as text; what goes wrong on the way ends it. */
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
    // Cut off: what came is what there is.
  }
  return Buffer.concat(parts).subarray(0, MAX_BODY_BYTES).toString('utf8');
}
