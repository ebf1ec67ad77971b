/** Why a sample was not written; the values of the label `reason`. */
export const DROP_REASONS = [
  /** Its metric is not among the definitions. */
  'unknown_metric',
  /** It has a label that its metric does not have. */
  'unknown_label',
  /** NaN or infinite. */
  'not_finite',
  /** Older than the store would take, when it came or after it waited. */
  'too_old',
  /** More than a minute ahead of this clock. */
  'in_future',
  /** Not later than the last one of its series. */
  'out_of_order',
  /** The endpoint has as many series as one may have. */
  'endpoint_series_limit',
  /** All endpoints together have as many series as there may be. */
  'series_limit',
  /** The queue was full; the oldest one made room. */
  'queue_full',
  /** The store refused its request for good (4xx). */
  'rejected',
  /** The store took the request and said that it left samples out. */
  'not_written',
  /** It came after the stop, or the stop had no more time. */
  'stopped',
] as const;

export type DropReason = (typeof DROP_REASONS)[number];
