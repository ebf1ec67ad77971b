import type { ServerResponse } from 'node:http';
import { AppError, ERROR_CODES, problemOf, type ErrorCode } from '@muster/protocol';
import type { z } from 'zod';
import { MAX_JSON_DEPTH } from './json-depth.js';

/** What express and its body parser throw. `type` is the error type of body-parser. */
interface HttpFault {
  readonly status?: number;
  readonly type?: string;
}

const BODY_FAULTS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  'entity.parse.failed': ['bad_request', 'the body is not valid JSON'],
  'entity.too.large': ['too_large', 'the body is over 1 MiB'],
  'encoding.unsupported': ['unsupported_media_type', 'the body must not be compressed'],
  'charset.unsupported': ['unsupported_media_type', 'the body must be UTF-8'],
  'entity.verify.failed': ['bad_request', 'the body was refused'],
  'entity.too.deep': ['bad_request', `the body nests objects and arrays more than ${MAX_JSON_DEPTH} deep`],
  'request.aborted': ['bad_request', 'the body ended before its length'],
  'request.size.invalid': ['bad_request', 'the body is not as long as its header says'],
};

/** A fault of the body, to throw while it is read: {@link asAppError} gives it its code and text. */
export function bodyFault(type: string): Error {
  return Object.assign(new Error(type), { type });
}

/**
 * The error that the caller gets for anything that was thrown. Unknown errors become `internal` without their text.
 * The original stays in `cause` for the log.
 */
export function asAppError(thrown: unknown): AppError {
  if (AppError.is(thrown)) return thrown;
  const fault = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as HttpFault;
  const known = fault.type === undefined ? undefined : BODY_FAULTS[fault.type];
  if (known !== undefined) return new AppError(known[0], known[1], { cause: thrown });
  if (thrown instanceof URIError || fault.status === 400) {
    return new AppError('bad_request', 'the path or its encoding is malformed', { cause: thrown });
  }
  return new AppError('internal', 'the request failed; the log has more under the request id', { cause: thrown });
}

/** The faults that a schema found, named by their place in the request: `body.timeoutMs: must be …`. */
export function schemaFault(where: 'path' | 'query' | 'body', error: z.ZodError): AppError {
  const faults = error.issues.slice(0, 20).map((issue) => {
    const name = [where, ...issue.path.map(String)].join('.');
    const pointer = where === 'body' ? { pointer: pointerOf(issue.path.map(String)).slice(0, 200) } : {};
    return { name: name.slice(0, 200), fault: issue.message.slice(0, 300), ...pointer };
  });
  const first = faults[0];
  const { code = 'bad_request', ...details } = customParams(error);
  return new AppError(code, first === undefined ? 'the request is malformed' : `${first.name}: ${first.fault}`, {
    details: { ...details, faults },
  });
}

/** A path in the body as a JSON pointer in a URI fragment (RFC 6901 §6). */
export function pointerOf(path: readonly string[]): string {
  return ['#', ...path.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))].join('/');
}

/** A schema may give the problem code of its fault, and details: `params: { code: 'bad_selector', offset: 3 }`. */
function customParams(error: z.ZodError): { readonly code?: ErrorCode } {
  for (const issue of error.issues) {
    if (issue.code !== 'custom') continue;
    const code: unknown = issue.params?.['code'];
    if (typeof code === 'string' && Object.hasOwn(ERROR_CODES, code))
      return { ...issue.params, code: code as ErrorCode };
  }
  return {};
}

/** The problem document of an error, without the id of a request. */
export function problemBody(error: AppError) {
  const { retryAfterMs: _retryAfterMs, ...details } = error.details;
  const problem = problemOf({ code: error.code, message: error.message, details });
  return { ...problem, type: `/problems/${error.code}`, retryable: error.retryable };
}

/** Answers with an RFC 9457 problem document. */
export function sendProblem(response: ServerResponse, error: AppError, requestId: string): void {
  const { retryAfterMs } = error.details;
  const body = JSON.stringify({ ...problemBody(error), requestId });
  response.statusCode = error.status;
  if (error.status === 401) response.setHeader('www-authenticate', 'Bearer realm="muster"');
  if (typeof retryAfterMs === 'number' || error.status === 429 || error.status === 503) {
    const ms = typeof retryAfterMs === 'number' && Number.isFinite(retryAfterMs) ? retryAfterMs : 1_000;
    response.setHeader('retry-after', String(Math.max(1, Math.ceil(ms / 1_000))));
  }
  // A download had begun to say what it is.
  for (const name of ['content-encoding', 'content-disposition']) response.removeHeader(name);
  response.setHeader('content-type', 'application/problem+json; charset=utf-8');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.setHeader('cache-control', 'no-store');
  response.end(body);
}
