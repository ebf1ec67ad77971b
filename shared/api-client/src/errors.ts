import type { ProblemCode } from '@muster/api-contract';

/** The members of a problem document (RFC 9457) that the API sends. Codes may have further members. */
export interface ProblemFields {
  readonly type?: string;
  readonly title?: string;
  readonly status?: number;
  readonly detail?: string;
  readonly code?: ProblemCode;
  readonly retryable?: boolean;
  readonly requestId?: string;
  readonly [member: string]: unknown;
}

/** The API refused a call. `problem` is empty when something else than the API answered, such as a proxy. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly problem: ProblemFields;
  /** The header `Retry-After` (RFC 9110 §10.2.3) in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** What earlier attempts of the same call failed with. */
  earlier: readonly unknown[] = [];

  constructor(status: number, problem: ProblemFields, retryAfterMs?: number) {
    const message = problem.detail ?? problem.title ?? `the server answered ${status}`;
    super(problem.code === undefined ? message : `${message} (${problem.code})`);
    this.status = status;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }

  get code(): ProblemCode | undefined {
    return this.problem.code;
  }
}

/** `unreachable`: no answer began. `timeout`: it did not end in time. `cut`: it broke off. */
export type ConnectionFault = 'unreachable' | 'timeout' | 'cut';

/** The API could not be asked, or the connection broke. The same call may succeed later. `cause` is what `fetch` threw. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly fault: ConnectionFault;

  constructor(fault: ConnectionFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.fault = fault;
  }
}

/** An answer that is not what the API sends: no JSON where JSON is due, or far too much of it. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer';
}

/** No service listened, so nothing was sent to one. */
const NOT_SENT: ReadonlySet<ProblemCode | undefined> = new Set(['no_command_service']);

/**
 * Whether the server said that the call had no effect, in each of its attempts. Otherwise nobody knows: the call may
 * have had its effect and only its answer was lost. Then it is repeated with the same idempotency key and the same body.
 */
export function nothingDone(error: unknown): boolean {
  if (!(error instanceof ApiProblem)) return false;
  return isRefusal(error) && error.earlier.every((earlier) => nothingDone(earlier));
}

function isRefusal({ status, code, problem, retryAfterMs }: ApiProblem): boolean {
  if (problem['carriedOut'] === false || NOT_SENT.has(code)) return true;
  // A conflict that passes by itself: an earlier call with the same key is under way.
  if (code === 'conflict' && retryAfterMs !== undefined) return false;
  // 408: a proxy or the server stopped waiting, for what is not said.
  return status >= 400 && status < 500 && status !== 408;
}

/** Whether the same call may succeed later. Whether it may be repeated is another question: see `mayRepeat` of the retries. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionError) return true;
  if (!(error instanceof ApiProblem)) return false;
  return error.problem.retryable === true || error.retryAfterMs !== undefined || error.status >= 502;
}
