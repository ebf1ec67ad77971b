/**
 * Every error code that leaves a process, with the HTTP status it becomes and whether the same call may succeed later.
 * `docs/failure-modes.md` has a section for each; a test compares the two.
 */
export const ERROR_CODES = {
  bad_request: { status: 400, retryable: false, title: 'The request does not fit its schema' },
  bad_selector: { status: 400, retryable: false, title: 'The selector cannot be parsed' },
  bad_timeout: { status: 400, retryable: false, title: 'The timeout is out of range' },
  bad_cursor: { status: 400, retryable: false, title: 'The cursor is not one that this server gave' },
  sql_error: { status: 422, retryable: false, title: 'The SQL does not compile' },
  sql_not_select: { status: 422, retryable: false, title: 'Only one read-only SELECT is allowed' },
  sql_many_statements: { status: 422, retryable: false, title: 'Only one statement is allowed' },
  sql_missing_constraint: {
    status: 422,
    retryable: false,
    title: 'A table needs a constraint that the SQL does not give',
  },
  sql_forbidden: { status: 422, retryable: false, title: 'The SQL uses something that is not allowed' },
  table_forbidden: { status: 403, retryable: false, title: 'The policy does not allow this table' },
  sql_too_long: { status: 422, retryable: false, title: 'The SQL is too long' },
  sql_too_wide: {
    status: 422,
    retryable: false,
    title: 'The result has too many columns, or too long names of columns',
  },
  reduce_failed: { status: 422, retryable: false, title: 'The reduce statement failed' },
  unknown_action: { status: 422, retryable: false, title: 'There is no such action' },
  bad_params: { status: 422, retryable: false, title: 'The parameters do not fit the action' },
  bad_rollout: { status: 422, retryable: false, title: 'The rollout cannot be understood' },
  no_targets: { status: 422, retryable: false, title: 'The target matches no endpoint' },
  too_many_targets: { status: 403, retryable: false, title: 'More targets than the role may touch' },
  self_approval: { status: 403, retryable: false, title: 'Another person must approve this' },
  not_undoable: { status: 409, retryable: false, title: 'The command cannot be undone' },
  unauthenticated: { status: 401, retryable: false, title: 'Missing or invalid credentials' },
  token_expired: { status: 401, retryable: false, title: 'The token has expired' },
  forbidden: { status: 403, retryable: false, title: 'The role does not allow this' },
  cross_site: { status: 403, retryable: false, title: 'The request does not come from the console itself' },
  other_person: { status: 403, retryable: false, title: 'Somebody else has signed in in this browser' },
  reauthentication_required: { status: 403, retryable: false, title: 'The last sign-in is too long ago for this' },
  revoked: { status: 403, retryable: false, title: 'The agent was revoked' },
  enrolment_refused: { status: 401, retryable: false, title: 'The enrolment secret or proof is not valid' },
  not_found: { status: 404, retryable: false, title: 'No such thing' },
  method_not_allowed: { status: 405, retryable: false, title: 'The path has no such method' },
  not_acceptable: { status: 406, retryable: false, title: 'None of the accepted formats can be given' },
  conflict: { status: 409, retryable: false, title: 'The state of the thing does not allow this' },
  results_expired: { status: 410, retryable: false, title: 'The results are not kept any more' },
  session_ended: { status: 410, retryable: false, title: 'The poll session is over' },
  idempotency_mismatch: { status: 422, retryable: false, title: 'The idempotency key was used for another request' },
  too_large: { status: 413, retryable: false, title: 'The request body is too large' },
  unsupported_media_type: { status: 415, retryable: false, title: 'The body is of a type that is not understood' },
  upgrade_required: { status: 426, retryable: false, title: 'The endpoint speaks WebSocket with another subprotocol' },
  too_many_queries: { status: 429, retryable: true, title: 'Too many queries are running' },
  rate_limited: { status: 429, retryable: true, title: 'Too many requests' },
  internal: { status: 500, retryable: true, title: 'The server failed' },
  no_telemetry_service: { status: 503, retryable: true, title: 'No telemetry service answers' },
  no_query_service: { status: 503, retryable: true, title: 'No query service answers' },
  no_command_service: { status: 503, retryable: true, title: 'No command service answers' },
  no_posture_service: { status: 503, retryable: true, title: 'No posture service answers' },
  bad_pack: { status: 422, retryable: false, title: 'The pack has faults' },
  bad_feed: { status: 422, retryable: false, title: 'The feed has faults, or more than a feed may have' },
  broker_unavailable: { status: 503, retryable: true, title: 'The message broker is out of reach' },
  storage_full: { status: 503, retryable: true, title: 'The storage of the message broker is full' },
  registry_unavailable: { status: 503, retryable: true, title: 'The registry of sessions (Redis) is out of reach' },
  gateway_full: { status: 503, retryable: true, title: 'The gateway takes no more sessions' },
  draining: { status: 503, retryable: true, title: 'The server is stopping' },
  timeout: { status: 504, retryable: true, title: 'A dependency did not answer in time' },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

const appErrorMark: unique symbol = Symbol.for('muster.AppError') as never;

/**
 * The error that crosses boundaries between components. `message` is for the caller: what failed, which id, what to do.
 * `details` are safe to show; anything else goes into `cause` and is logged once, at the edge.
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly [appErrorMark] = true;

  constructor(code: ErrorCode, message: string, options: { details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  /** A symbol instead of `instanceof`, which is false across realms (Jest, worker threads). */
  static is(value: unknown): value is AppError {
    return typeof value === 'object' && value !== null && appErrorMark in value;
  }
}

/** RFC 9457 problem document. `type` is a URN because the project has no web page of its own. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly [extra: string]: unknown;
}

export function problemOf(error: {
  code: ErrorCode;
  message: string;
  details?: Readonly<Record<string, unknown>>;
}): ProblemDocument {
  const { status, title } = ERROR_CODES[error.code];
  return {
    ...error.details,
    type: `urn:muster:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
  };
}
