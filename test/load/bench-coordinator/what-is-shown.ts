import { readAnswerBlock, readGroupBlock, type ResultEvent } from '@muster/records';

/** What a reader of the stored events is shown, where every endpoint gives one row. */
export interface Shown {
  /** Endpoints with a row. */
  readonly answered: number;
  /** Endpoints that are listed as failures. */
  readonly failures: number;
}

export function whatIsShown(events: readonly ResultEvent[]): Shown {
  let rows = 0;
  const groups = new Map<number, number>();
  const failures = new Set<number>();
  for (const event of events) {
    if (event.t === 'rows') for (const _ of readAnswerBlock(event.answers)) rows += 1;
    if (event.t === 'groups') {
      for (const { index, endpoints } of readGroupBlock(event.groups)) groups.set(index, endpoints);
    }
    if (event.t === 'failures') for (const [num] of event.failures) failures.add(num);
    if (event.t === 'recovered') for (const num of event.numbers) failures.delete(num);
  }
  return { answered: rows + [...groups.values()].reduce((sum, count) => sum + count, 0), failures: failures.size };
}
