import type { QueryResultsJson } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import type { QueryId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import { sleep, type Clock } from '@muster/runtime';
import { queryEvents } from './query-events.js';
import type { QueryStore } from './query-store.js';
import { failureJson, valuesJson, warningJson, type EndpointByNum } from './result-json.js';
import { answerWarnings, failures } from './result-rows.js';
import { rowPage } from './row-answers.js';
import { rowObject } from './row-objects.js';

export interface WaitParts {
  readonly store: Pick<QueryStore, 'read'>;
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly byNum: EndpointByNum;
}

interface Waited {
  readonly record: QueryRecord;
  readonly results: QueryResultsJson;
}

/** Rows, failures and warnings that the answer itself has; the rest is had with the cursor. */
const ROWS = 1_000;
const FAILURES = 1_000;
const WARNINGS = 1_000;

/** Waits until the query has ended, but no longer than `waitMs`, and returns it with its results so far. */
export async function waitForResults(
  parts: WaitParts,
  started: QueryRecord,
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<Waited> {
  const { record, reduced } = await followToEnd(parts, started, waitMs, signal);
  const failed = await failures(parts.streams, record, signal);
  const list = failed.slice(0, FAILURES).map((failure) => failureJson(failure, parts.byNum));
  const warned = await answerWarnings(parts.streams, [record], signal);
  const warnings = warned.slice(0, WARNINGS).map((warning) => warningJson(warning, parts.byNum));
  const lacks = { failures: list, warnings };
  if (record.reduce !== undefined) return { record, results: { ...reduced, ...lacks } };
  const page = await rowPage(parts, {
    record,
    chain: [record],
    limit: ROWS,
    cursor: undefined,
    shape: 'objects',
    signal,
  });
  const { items, nextCursor } = page;
  // Sound: these rows were asked for as objects.
  const rows = items as unknown as QueryResultsJson['rows'];
  return { record, results: { rows, ...(nextCursor === undefined ? {} : { nextCursor }), ...lacks } };
}

interface Followed {
  readonly record: QueryRecord;
  readonly reduced: Pick<QueryResultsJson, 'rows' | 'truncated' | 'error'>;
}

async function followToEnd(
  { store, streams, clock, byNum }: WaitParts,
  started: QueryRecord,
  waitMs: number,
  signal: AbortSignal,
): Promise<Followed> {
  const over = new AbortController();
  const both = AbortSignal.any([signal, over.signal]);
  void sleep(clock, waitMs, both).then(() => over.abort());
  const readRecord = (): Promise<QueryRecord | undefined> => store.read(started.org, started.id as QueryId);
  let reduced: Followed['reduced'] = { rows: [] };
  try {
    const options = { streams, clock, byNum, readRecord, afterSeq: 0, signal: both, heartbeatMs: waitMs };
    for await (const item of queryEvents(started, options)) {
      if (item.kind === 'synthesized_end') return { record: item.record, reduced };
      if (item.kind !== 'event') continue;
      const { event } = item;
      if (event.t === 'ended') return { record: event.record, reduced };
      if (event.t !== 'reduced') continue;
      const { columns, rows, truncated, error } = event;
      reduced = {
        rows: rows.map((row) => ({ row: rowObject(valuesJson(row), columns) })),
        ...(truncated ? { truncated } : {}),
        ...(error === undefined ? {} : { error }),
      };
    }
  } finally {
    over.abort();
  }
  return { record: (await readRecord()) ?? started, reduced };
}
