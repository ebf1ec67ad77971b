import { isStorageFull, type RequestResult } from '@muster/bus';
import { AppError, ERROR_CODES, type ErrorCode } from '@muster/protocol';
import { writeFailure } from './write-failure.js';

export interface ServiceName {
  /** For messages to people: `query service`. */
  readonly name: string;
  /** The code when no service listens. */
  readonly absent: ErrorCode;
}

interface Problem {
  readonly t: 'problem';
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** What a request asks for: `read` changes nothing. */
export type RequestNature = 'read' | 'change';

const WITHOUT_ANSWER: Readonly<Record<RequestNature, string>> = {
  change: 'whether it does what was asked is not known',
  read: 'nothing was read; try again in a moment',
};

/**
 * The broker is out of reach before anything was sent. `carriedOut: false` tells programs so; the text is for a person who may know
 * neither of an idempotency key nor that the client gave one.
 */
export function nothingDone(cause?: unknown): AppError {
  if (isStorageFull(cause)) return writeFailure('nothing was done; try again later', cause);
  return new AppError(
    'broker_unavailable',
    'the message broker is out of reach, so nothing was done; try again in a moment',
    {
      details: { carriedOut: false, retryAfterMs: 1_000 },
      cause,
    },
  );
}

/** The reply of a service, decoded. Throws an `AppError` when there is none, or it cannot be decoded. */
export function replyOf<T>(
  result: RequestResult,
  decode: (data: Uint8Array) => T,
  service: ServiceName,
  nature: RequestNature = 'change',
): T {
  switch (result.kind) {
    case 'reply': {
      const reply = readable(result.data, decode);
      if (reply === undefined) throw new AppError('internal', `the ${service.name} answered something unreadable`);
      return reply;
    }
    case 'no_responders':
      throw new AppError(service.absent, `no ${service.name} answers; try again in a moment`, {
        details: { retryAfterMs: 1_000 },
      });
    case 'timeout':
      throw new AppError('timeout', `the ${service.name} did not answer in time; ${WITHOUT_ANSWER[nature]}`, {
        details: nature === 'read' ? { retryAfterMs: 1_000 } : {},
      });
    case 'disconnected':
      if (result.mayHaveArrived === true) {
        throw new AppError(
          'broker_unavailable',
          `the message broker was lost before the ${service.name} answered; ${WITHOUT_ANSWER[nature]}`,
          {
            details: { retryAfterMs: 1_000 },
          },
        );
      }
      throw nothingDone();
  }
}

/** `undefined` when the bytes cannot be decoded. */
export function readable<T>(data: Uint8Array, decode: (data: Uint8Array) => T): T | undefined {
  try {
    return decode(data);
  } catch {
    return undefined;
  }
}

/** The reply of the expected kind. Throws when the reply is a problem. */
export function expectReply<R extends { readonly t: string }, const T extends R['t']>(
  reply: R | Problem,
  kind: T,
  { name }: ServiceName,
): Extract<R, { t: T }> {
  // Sound: the discriminant was compared.
  if (reply.t === kind) return reply as Extract<R, { t: T }>;
  if (reply.t === 'problem') {
    const { code, message, details } = reply as Problem;
    throw new AppError(Object.hasOwn(ERROR_CODES, code) ? code : 'internal', message, { details: { ...details } });
  }
  throw new AppError('internal', `the ${name} gave an answer to another question`);
}
