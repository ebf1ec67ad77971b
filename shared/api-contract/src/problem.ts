import { ERROR_CODES, type ErrorCode } from '@muster/protocol/vocabulary';
import { z } from 'zod';

/** The code of a problem document; `ERROR_CODES` of the protocol has the status of each and whether a retry may succeed. */
export type ProblemCode = ErrorCode;

export const problemSchema = z
  .looseObject({
    type: z.string().meta({ description: '`/problems/<code>`: a page that says what it means.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    retryable: z.boolean().meta({ description: 'Whether the same call may succeed later.' }),
    requestId: z.string(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem document. Codes may have further members.' });

/** The problem codes that any call with credentials may be answered with. */
export const COMMON_PROBLEMS = [
  'bad_request',
  'unauthenticated',
  'token_expired',
  'forbidden',
  'cross_site',
  'other_person',
  'reauthentication_required',
  'rate_limited',
  'internal',
  'broker_unavailable',
  'storage_full',
  'registry_unavailable',
] as const satisfies readonly ProblemCode[];
