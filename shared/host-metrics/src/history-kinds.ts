/**
 * `seconds`: samples as they were taken. `mean`, `lowest`, `highest`: of one minute each; for counters, of their growth
 * per second. `atMs` of a minute is its end.
 */
export const HISTORY_KINDS = ['seconds', 'mean', 'lowest', 'highest'] as const;
export type HistoryKind = (typeof HISTORY_KINDS)[number];
