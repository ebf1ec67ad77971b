import type { StreamStore } from '@muster/bus';
import { endpointLabel, type Directory } from '@muster/directory';
import {
  AppError,
  isAnswer,
  parseSelector,
  selectorMatches,
  withoutHealth,
  type Outcome,
  type QueryId,
} from '@muster/protocol';
import { decodeNumberSet, encodeNumberSet, KeptResult, type QueryRecord } from '@muster/records';
import { MAX_RETRY_CHAIN, readWholeResults } from '@muster/service-base';
import { filterInTurns } from '@muster/runtime';
import type { Principal } from '../http/principal.js';
import type { QueryStore } from './query-store.js';

/** A query that is asked again of endpoints that gave no answer. */
export interface Retry {
  readonly original: QueryRecord;
  /** A number set of them. */
  readonly among: Uint8Array;
}

interface RetryParts {
  readonly streams: StreamStore;
  readonly directory: Pick<Directory, 'endpoints'>;
  readonly store: Pick<QueryStore, 'findReadable'>;
}

/**
 * Who of a query's endpoints has no answer: its targets, and who was in its scope and away. Where outcomes are given,
 * only targets with one of them.
 * @throws AppError `not_found`; `conflict`: it still runs, or there is nobody to ask again; `results_expired`.
 */
export async function retryOf(
  { streams, store, directory }: RetryParts,
  principal: Principal,
  request: { readonly id: string; readonly outcomes?: readonly Outcome[] | undefined; readonly signal: AbortSignal },
): Promise<Retry> {
  const { id, outcomes, signal } = request;
  const original = await store.findReadable(principal, id);
  if (original.state === 'running')
    throw new AppError('conflict', `query ${id} still runs; what it lacks can be asked again when it has ended`);
  const nums: number[] = [];
  // What earlier queries of the chain answered counts as answered.
  const states = new Map<number, Outcome | 'waiting'>();
  const chain = await retryChain(store, principal, original);
  // The rows of the one that is to be started could not be read with theirs.
  if (chain.length === MAX_RETRY_CHAIN) throw tooLong(original);
  for (const record of chain) {
    const kept = new KeptResult(record);
    for await (const { event } of readWholeResults(streams, record, { batch: 16, signal })) kept.apply(event);
    kept.forEachState((num, state) => states.set(num, state));
  }
  for (const [num, state] of states) {
    const isMissing = state === 'waiting' || !isAnswer(state);
    if (isMissing && (outcomes === undefined || outcomes.includes(state as Outcome))) nums.push(num);
  }
  if (outcomes === undefined) for (const num of await absentOf(directory, original, states)) nums.push(num);
  if (nums.length === 0) {
    const which = outcomes === undefined ? '' : ` with the outcome ${outcomes.join(' or ')}`;
    throw new AppError('conflict', `no endpoint of query ${id} is without an answer${which}; nobody was asked`);
  }
  return { original, among: encodeNumberSet(nums.sort((a, b) => a - b)) };
}

/** Who was enrolled and in the scope of a query, and was not asked. */
async function absentOf(
  directory: Pick<Directory, 'endpoints'>,
  { org, scope, among, hunt, createdAtMs, endedAtMs = createdAtMs }: QueryRecord,
  asked: ReadonlyMap<number, unknown>,
): Promise<number[]> {
  const parsed = parseSelector(scope);
  if (!parsed.ok) return [];
  // How they are connected changes, and who was healthy then is in the set.
  const steady = withoutHealth(parsed.selector).filter(({ key }) => key !== 'mode');
  const within = among === undefined ? undefined : new Set(decodeNumberSet(among));
  const absent = await filterInTurns(directory.endpoints(org), (endpoint) => {
    const { num, revoked, enrolledAtMs } = endpoint;
    if (revoked !== undefined || asked.has(num) || within?.has(num) === false) return false;
    if (enrolledAtMs > endedAtMs || num > (hunt?.through ?? Infinity)) return false;
    return selectorMatches(steady, endpointLabel(endpoint));
  });
  return absent.map(({ num }) => num);
}

/**
 * A query and those that it asks again, the first one at the beginning.
 * @throws AppError `not_found` when one of them is not kept any more; `conflict` when there are too many, or their columns differ.
 */
export async function retryChain(
  store: Pick<QueryStore, 'findReadable'>,
  principal: Principal,
  last: QueryRecord,
): Promise<QueryRecord[]> {
  const chain = [last];
  for (let id: QueryId | undefined = last.retryOf; id !== undefined; id = chain[0]?.retryOf) {
    if (chain.length === MAX_RETRY_CHAIN) throw tooLong(last);
    const earlier = await store.findReadable(principal, id);
    if (earlier.columns.join('\0') !== last.columns.join('\0') || earlier.mode !== last.mode)
      throw new AppError('conflict', `queries ${id} and ${last.id} have different columns, so their rows do not merge`);
    chain.unshift(earlier);
  }
  return chain;
}

function tooLong({ id }: QueryRecord): AppError {
  return new AppError(
    'conflict',
    `query ${id} was asked again ${MAX_RETRY_CHAIN - 1} times, which is the most; ask anew`,
  );
}
