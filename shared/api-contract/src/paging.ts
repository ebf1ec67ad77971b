import { z } from 'zod';

export const nextCursor = z
  .string()
  .optional()
  .meta({ description: 'Give it as `cursor` to get the next page; absent on the last one.' });

/** `limit` of a list: 1 to `max`. */
export function limitParameter(fallback: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(max))
    .default(fallback)
    .meta({ description: `How many to return at most: 1 to ${max}, default ${fallback}.` });
}

export const cursorParameter = z.string().max(512).optional().meta({ description: '`nextCursor` of the page before.' });

/** Where a stream goes on. */
export const afterParameter = z
  .string()
  .regex(/^\d{1,15}$/, 'must be the id of an event')
  .transform(Number)
  .optional()
  .meta({ description: 'Only events after the one with this id; `Last-Event-ID` wins.' });

/** The sequence of an event; null when it has none. */
export const seq = z
  .int()
  .nullable()
  .meta({ description: 'Give the last one seen as `after` or `Last-Event-ID` to go on from there.' });

export const moment = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

/** The beginning of an id: whoever types ids shortens them. */
export const idPrefixParameter = z
  .string()
  .regex(/^[a-z0-9]{1,40}$/, 'must be the beginning of an id')
  .optional()
  .meta({ description: 'Only those whose id begins with this.' });

/** Filters of a list of things that somebody began at some time. */
export const beganFilters = {
  id: idPrefixParameter,
  operator: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: 'Only those of this operator: an id or a name.' }),
  since: moment.optional().meta({ description: 'Only those begun at this time or later, RFC 3339.' }),
  until: moment.optional().meta({ description: 'Only those begun before this time, RFC 3339.' }),
};
