import type { StreamStore } from '@muster/bus';
import { decodeRow, forEachRow, type SqlValue } from '@muster/protocol';
import {
  decodeQueryRecord,
  STREAM_SUBJECTS,
  readAnswerBlock,
  readGroupBlock,
  STREAMS,
  type Failure,
  type GroupedRow,
  type QueryRecord,
  type ResultEvent,
} from '@muster/records';

/** One row of a query in raw mode, and where it is: the entry it came in and its place there. */
export interface RawRow {
  readonly seq: number;
  readonly at: number;
  readonly num: number;
  readonly values: SqlValue[];
}

export type IndexedGroup = GroupedRow & { readonly index: number };

/** Everything that is kept of a query's results by now, in order. */
async function* keptEvents(
  streams: StreamStore,
  record: QueryRecord,
  options: { fromSeq?: number; signal: AbortSignal },
) {
  const subject = STREAM_SUBJECTS.result(record.org, record.id);
  for await (const { seq, data } of streams.read(STREAMS.results.name, { subject, batch: 16, ...options })) {
    yield { seq, event: decodeQueryRecord<ResultEvent>(data) };
  }
}

/** Rows in the order in which they came, from a place on. Decodes one at a time. */
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
        yield { seq, at, num, values: decodeRow(rows.subarray(bounds[i], bounds[i + 1])) };
      }
    }
  }
}

/**
 * Groups `from` up to `from + limit` by index, each as it was last told. One pass over the stream; memory for the groups of the
 * window only.
 */
export async function groupWindow(
  streams: StreamStore,
  record: QueryRecord,
  window: { readonly from: number; readonly limit: number },
  signal: AbortSignal,
): Promise<{ readonly groups: IndexedGroup[]; readonly more: boolean }> {
  const end = window.from + window.limit;
  const groups = new Map<number, IndexedGroup>();
  let more = false;
  for await (const { event } of keptEvents(streams, record, { signal })) {
    if (event.t !== 'groups') continue;
    for (const group of readGroupBlock(event.groups)) {
      if (group.index >= end) more = true;
      // A copy: the row is a view into an entry that would stay in memory with it.
      else if (group.index >= window.from) groups.set(group.index, { ...group, row: group.row.slice() });
    }
  }
  return { groups: [...groups.values()].sort((a, b) => a.index - b.index), more };
}

/**
 * All groups, each once and as it was last told, in the order of those last tellings. Two passes over the stream: the first notes for
 * each group the entry that speaks of it last, so that memory is eight bytes per group, whatever the rows weigh.
 */
export async function* allGroups(
  streams: StreamStore,
  record: QueryRecord,
  signal: AbortSignal,
): AsyncGenerator<IndexedGroup> {
  let lastToldIn = new Float64Array(1024);
  let lastSeq = 0;
  for await (const { seq, event } of keptEvents(streams, record, { signal })) {
    lastSeq = seq;
    if (event.t !== 'groups') continue;
    for (const { index } of readGroupBlock(event.groups)) {
      if (index >= lastToldIn.length) {
        const grown = new Float64Array(Math.max(index + 1, lastToldIn.length * 2));
        grown.set(lastToldIn);
        lastToldIn = grown;
      }
      lastToldIn[index] = seq;
    }
  }
  for await (const { seq, event } of keptEvents(streams, record, { signal })) {
    if (seq > lastSeq) return;
    if (event.t !== 'groups') continue;
    for (const group of readGroupBlock(event.groups)) if (lastToldIn[group.index] === seq) yield group;
  }
}

/** Who did not answer, and why, in the order of their numbers. */
export async function failures(streams: StreamStore, record: QueryRecord, signal: AbortSignal): Promise<Failure[]> {
  const byNum = new Map<number, Failure>();
  for await (const { event } of keptEvents(streams, record, { signal })) {
    if (event.t === 'failures') for (const failure of event.failures) byNum.set(failure[0], failure);
    if (event.t === 'recovered') for (const num of event.numbers) byNum.delete(num);
  }
  return [...byNum.values()].sort((a, b) => a[0] - b[0]);
}
