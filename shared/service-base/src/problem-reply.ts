import { StreamError } from '@muster/bus';
import { AppError, type ErrorCode } from '@muster/protocol';
import type { Logger } from '@muster/runtime';

/** The reply to a request that failed, as the bus messages carry it. */
export interface ProblemReply {
  readonly t: 'problem';
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * The reply to a request of this `kind` that failed with `error`. The broker's failures become `broker_unavailable`.
 * Everything that is no `AppError` becomes `internal`: the caller learns no more, and the error is logged.
 */
export function problemReply(error: unknown, request: { service: string; kind: string; logger: Logger }): ProblemReply {
  const { code, message, details } = appErrorOf(error, request.service);
  if (code === 'internal') request.logger.error('request failed', { kind: request.kind, err: error });
  return { t: 'problem', code, message, details };
}

function appErrorOf(error: unknown, service: string): AppError {
  if (AppError.is(error)) return error;
  return error instanceof StreamError
    ? new AppError('broker_unavailable', 'the message broker cannot be asked now', { cause: error })
    : new AppError('internal', `the ${service} service failed`, { cause: error });
}
