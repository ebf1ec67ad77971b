/** How long things may take, in milliseconds. A round on a busy machine multiplies them by its patience. */
export const BOUNDS_MS = {
  /** A viewer hears of the end of a query so long after its deadline at most. */
  endAfterDeadline: 2_000,
  /** A request is answered, with one of two services of its kind frozen or dead. */
  answer: 4_000,
  /** A request is answered while nothing but Redis is away: nothing waits for it. */
  answerWithoutRedis: 1_500,
  /** A request is answered, also when NATS or all services of its kind are away. */
  answerWithoutService: 15_000,
  /** The whole system works again, after a fault has healed. */
  whole: 30_000,
  /** What could not be told because of a frozen or dead API or NATS is told, after that has healed. */
  caughtUp: 6_000,
  /** Every command has ended, after the last fault. */
  commandsEnd: 60_000,
  /** What is in the journal is in the audit chain. */
  audited: 10_000,
} as const;

/** Who was connected for so long before a question is one of its targets. */
export const CONNECTED_BEFORE_MS = 5_000;
