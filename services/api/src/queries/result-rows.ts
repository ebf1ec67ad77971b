import type { StreamStore } from '@muster/bus';
import { forEachRow } from '@muster/protocol';
import {
  readAnswerBlock,
  readGroupBlock,
  type AnswerWarning,
  type Failure,
  type GroupedRow,
  type QueryRecord,
  type ResultEvent,
} from '@muster/records';
import { readWholeResults } from '@muster/service-base';

/** One row of a raw query, and its place: the entry of the stream, and the index of the row in it. */
export interface RawRow {
  readonly seq: number;
  readonly at: number;
  readonly num: number;
  /** Encoded, a view into its entry. */
  readonly row: Uint8Array;
}

export type IndexedGroup = GroupedRow & { readonly index: number };

/** All result events of a query that are stored now, in order. @throws AppError `results_expired`: not all of them are. */
function keptEvents(streams: StreamStore, record: QueryRecord, options: { fromSeq?: number; signal: AbortSignal }) {
  return readWholeResults(streams, record, { batch: 16, ...options });
}

/** For answers that cannot say so later. @throws AppError `results_expired` */
export async function beWhole(streams: StreamStore, record: QueryRecord, signal: AbortSignal): Promise<void> {
  for await (const _ of readWholeResults(streams, record, { batch: 1, signal })) return;
}

/** Rows in the order of their arrival, from a place on. */
export async function* rawRows(
  streams: StreamStore,
  record: QueryRecord,
  from: { readonly seq: number; readonly at: number },
  signal: AbortSignal,
): AsyncGenerator<RawRow> {
  for await (const { seq, event } of keptEvents(streams, record, { fromSeq: from.seq, signal })) {
    if (event.t !== 'rows') continue;
    let at = 0;
    for (const { num, rows } of readAnswerBlock(event.answers)) {
      const bounds: number[] = [];
      forEachRow(rows, record.columns.length, (start, end) => bounds.push(start, end));
      for (let i = 0; i < bounds.length; i += 2, at += 1) {
        if (seq === from.seq && at < from.at) continue;
        yield { seq, at, num, row: rows.subarray(bounds[i], bounds[i + 1]) };
      }
    }
  }
}

/** The answer blocks of several queries, one query after the other, in the order of their arrival. */
export async function* rawBlocks(
  streams: StreamStore,
  chain: readonly QueryRecord[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const record of chain) {
    for await (const { event } of keptEvents(streams, record, { signal })) if (event.t === 'rows') yield event.answers;
  }
}

/** Groups of events with `more` count together with the next event without it, so that all groups are of one moment. */
class GroupsOfOneMoment<T> {
  readonly #toCome: [group: number, state: T][] = [];
  readonly #apply: (group: number, state: T) => void;

  constructor(apply: (group: number, state: T) => void) {
    this.#apply = apply;
  }

  add(group: number, state: T): void {
    this.#toCome.push([group, state]);
  }

  end(event: ResultEvent & { readonly t: 'groups' }): void {
    if (event.more === true) return;
    for (const [group, state] of this.#toCome.splice(0)) this.#apply(group, state);
  }
}

/**
 * Groups `from` up to `from + limit` by index, each in its newest state. One pass over the stream; only the groups of this window are in
 * memory.
 */
export async function groupWindow(
  streams: StreamStore,
  record: QueryRecord,
  window: { readonly from: number; readonly limit: number },
  signal: AbortSignal,
): Promise<{ readonly groups: IndexedGroup[]; readonly more: boolean }> {
  const end = window.from + window.limit;
  const groups = new Map<number, IndexedGroup>();
  let beyond = false;
  const moment = new GroupsOfOneMoment<IndexedGroup | undefined>((index, group) => {
    if (group === undefined) beyond = true;
    else groups.set(index, group);
  });
  for await (const { event } of keptEvents(streams, record, { signal })) {
    if (event.t !== 'groups') continue;
    let isBeyond = false;
    for (const group of readGroupBlock(event.groups)) {
      if (group.index >= end) isBeyond = true;
      // A copy: the row is a view into its entry, which would stay in memory with it.
      else if (group.index >= window.from) moment.add(group.index, { ...group, row: group.row.slice() });
    }
    if (isBeyond) moment.add(end, undefined);
    moment.end(event);
  }
  return { groups: [...groups.values()].sort((a, b) => a.index - b.index), more: beyond };
}

/**
 * All groups in their newest state, sorted by the entry that has it. Two passes over the stream: the first records the newest entry of each
 * group, which takes eight bytes per group, however large the rows are.
 */
export async function* allGroups(
  streams: StreamStore,
  record: QueryRecord,
  signal: AbortSignal,
): AsyncGenerator<IndexedGroup> {
  let lastToldIn = new Float64Array(1024);
  let lastSeq = 0;
  const moment = new GroupsOfOneMoment<number>((index, seq) => {
    if (index >= lastToldIn.length) {
      const grown = new Float64Array(Math.max(index + 1, lastToldIn.length * 2));
      grown.set(lastToldIn);
      lastToldIn = grown;
    }
    lastToldIn[index] = seq;
  });
  for await (const { seq, event } of keptEvents(streams, record, { signal })) {
    lastSeq = seq;
    if (event.t !== 'groups') continue;
    for (const { index } of readGroupBlock(event.groups)) moment.add(index, seq);
    moment.end(event);
  }
  for await (const { seq, event } of keptEvents(streams, record, { signal })) {
    if (seq > lastSeq) return;
    if (event.t !== 'groups') continue;
    for (const group of readGroupBlock(event.groups)) if (lastToldIn[group.index] === seq) yield group;
  }
}

/** The endpoints that did not answer, and why, sorted by number. */
export async function failures(streams: StreamStore, record: QueryRecord, signal: AbortSignal): Promise<Failure[]> {
  const byNum = new Map<number, Failure>();
  for await (const { event } of keptEvents(streams, record, { signal })) {
    if (event.t === 'failures') for (const failure of event.failures) byNum.set(failure[0], failure);
    if (event.t === 'recovered') for (const num of event.numbers) byNum.delete(num);
  }
  return [...byNum.values()].sort((a, b) => a[0] - b[0]);
}

/** What answers of these queries lack, by the word of their endpoints, in the order in which it came. */
export async function answerWarnings(
  streams: StreamStore,
  chain: readonly QueryRecord[],
  signal: AbortSignal,
): Promise<AnswerWarning[]> {
  const warnings: AnswerWarning[] = [];
  for (const record of chain)
    for await (const { event } of keptEvents(streams, record, { signal }))
      if (event.t === 'warnings') warnings.push(...event.warnings);
  return warnings;
}
