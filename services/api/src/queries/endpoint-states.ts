import type { StreamStore } from '@muster/bus';
import { EMPTY_LEDGER, isAnswer, type Ledger } from '@muster/protocol';
import { KeptResult, type Failure, type KeptState, type QueryRecord } from '@muster/records';
import { readWholeResults } from '@muster/service-base';

/** How the endpoints of one query stand, or of one and its retries: each as it was asked last. */
export interface EndpointStates {
  /** Who did not answer, and why, sorted by number. */
  readonly failures: Failure[];
  /** Who was asked and has not answered yet, sorted. */
  readonly waiting: number[];
  readonly ledger: Ledger;
}

/** @throws AppError `results_expired`: not all of the events are kept. */
export async function endpointStates(
  streams: StreamStore,
  chain: readonly QueryRecord[],
  signal: AbortSignal,
): Promise<EndpointStates> {
  const states = new Map<number, KeptState>();
  const failures = new Map<number, Failure>();
  let ledger: Ledger = EMPTY_LEDGER;
  for (const record of chain) {
    const kept = new KeptResult(record);
    for await (const { event } of readWholeResults(streams, record, { batch: 16, signal })) {
      kept.apply(event);
      if (event.t === 'failures') for (const failure of event.failures) failures.set(failure[0], failure);
      if (event.t === 'recovered') for (const num of event.numbers) failures.delete(num);
    }
    kept.forEachState((num, state) => {
      states.set(num, state);
      // Of a query before it: this one has it answered, or asks it again.
      if (state === 'waiting' || isAnswer(state)) failures.delete(num);
    });
    ledger = chain.length === 1 ? kept.ledger : ledger;
  }
  if (chain.length > 1) ledger = ledgerOf(states);
  const waiting = [...states].filter(([, state]) => state === 'waiting').map(([num]) => num);
  return {
    failures: [...failures.values()].sort((a, b) => a[0] - b[0]),
    waiting: waiting.sort((a, b) => a - b),
    ledger,
  };
}

function ledgerOf(states: ReadonlyMap<number, KeptState>): Ledger {
  const counts = { ...EMPTY_LEDGER, targeted: states.size };
  for (const state of states.values()) counts[state] += 1;
  return counts;
}
