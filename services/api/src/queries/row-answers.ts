import type { RawRowJson, RowPageJson } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import { decodeRow, type SqlValue } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { decodeCursor, encodeCursor, position } from '../http/cursor.js';
import { DrainWriter } from '../http/drain-writer.js';
import type { StreamAnswer } from '../http/operation.js';
import { csvLine } from './csv.js';
import { endpointName, groupJson, valuesJson, type EndpointByNum } from './result-json.js';
import { allGroups, groupWindow, rawRows } from './result-rows.js';

export const ROW_FORMATS = { json: 'application/json', ndjson: 'application/x-ndjson', csv: 'text/csv' } as const;
export type RowFormat = keyof typeof ROW_FORMATS;

interface RowParts {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly byNum: EndpointByNum;
}

interface PageRequest {
  readonly record: QueryRecord;
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly signal: AbortSignal;
}

// A page ends early rather than exceed this size. It has at least one row.
const PAGE_BYTES = 4 * 1024 * 1024;
const STALL_MS = 60_000;

/** One page of a query's rows. */
export async function rowPage(parts: RowParts, request: PageRequest): Promise<RowPageJson> {
  const { record } = request;
  const page = record.mode === 'raw' ? await rawPage(parts, request) : await groupPage(parts, request);
  return { state: record.state, mode: record.mode, columns: record.columns, ...page };
}

async function rawPage({ streams, byNum }: RowParts, { record, limit, cursor, signal }: PageRequest) {
  const [seq, at] = cursor === undefined ? [1, 0] : decodeCursor('rows', cursor, [position.min(1), position]);
  const items: RawRowJson[] = [];
  let bytes = 0;
  for await (const row of rawRows(streams, record, { seq, at }, signal)) {
    if (items.length === limit || (bytes > PAGE_BYTES && items.length > 0)) {
      return { items, nextCursor: encodeCursor('rows', [row.seq, row.at]) };
    }
    const values = valuesJson(row.values);
    bytes += JSON.stringify(values).length;
    items.push({ ...endpointName(row.num, byNum), values });
  }
  return { items };
}

async function groupPage({ streams, byNum }: RowParts, { record, limit, cursor, signal }: PageRequest) {
  const from = cursor === undefined ? 0 : decodeCursor('groups', cursor, [position])[0];
  const { groups, more } = await groupWindow(streams, record, { from, limit }, signal);
  let bytes = 0;
  let taken = 0;
  for (; taken < groups.length && bytes <= PAGE_BYTES; taken += 1) bytes += groups[taken]?.row.length ?? 0;
  const items = groups.slice(0, taken).map((group) => groupJson(group, byNum));
  const next = groups[taken]?.index ?? (more ? from + limit : undefined);
  return { items, ...(next === undefined ? {} : { nextCursor: encodeCursor('groups', [next]) }) };
}

interface StreamRequest {
  readonly record: QueryRecord;
  readonly format: 'ndjson' | 'csv';
  readonly escapeFormulas: boolean;
  readonly signal: AbortSignal;
}

/** All rows that are stored now, written as fast as the reader takes them. */
export function rowStream(parts: RowParts, request: StreamRequest): StreamAnswer {
  const { format, record } = request;
  const type = format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson; charset=utf-8';
  return {
    kind: 'stream',
    status: 200,
    headers: { 'content-type': type, 'content-disposition': `attachment; filename="${record.id}.${format}"` },
    write: async (response) => {
      const writer = new DrainWriter(response, { clock: parts.clock, stallMs: STALL_MS });
      const lines = format === 'csv' ? csvLines(parts, request) : jsonLines(parts, request);
      for await (const line of lines) if ((await writer.write(line)) !== 'written') return;
      await writer.flush();
      response.end();
    },
  };
}

async function* jsonLines({ streams, byNum }: RowParts, { record, signal }: StreamRequest): AsyncGenerator<string> {
  const { columns, mode, state } = record;
  yield `${JSON.stringify({ columns, mode, state })}\n`;
  if (mode === 'raw') {
    for await (const { num, values } of rawRows(streams, record, { seq: 1, at: 0 }, signal)) {
      yield `${JSON.stringify({ ...endpointName(num, byNum), values: valuesJson(values) })}\n`;
    }
    return;
  }
  for await (const group of allGroups(streams, record, signal)) yield `${JSON.stringify(groupJson(group, byNum))}\n`;
}

async function* csvLines(parts: RowParts, request: StreamRequest): AsyncGenerator<string> {
  const { streams, byNum } = parts;
  const { record, signal, escapeFormulas } = request;
  const line = (values: readonly SqlValue[]) => csvLine(values, escapeFormulas);
  if (record.mode === 'raw') {
    yield line(['agent_id', 'host', ...record.columns]);
    for await (const { num, values } of rawRows(streams, record, { seq: 1, at: 0 }, signal)) {
      const { agentId, host } = endpointName(num, byNum);
      yield line([agentId, host, ...values]);
    }
    return;
  }
  yield line(['endpoints', 'copies', 'sample', ...record.columns]);
  for await (const { endpoints, copies, sample, row } of allGroups(streams, record, signal)) {
    const names = sample.map((num) => endpointName(num, byNum)).map(({ num, host }) => host ?? `#${num}`);
    yield line([endpoints, copies, names.join(' '), ...decodeRow(row)]);
  }
}
