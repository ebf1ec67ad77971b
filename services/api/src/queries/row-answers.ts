import { Readable } from 'node:stream';
import type { GroupJson, RawRowJson, RowPageJson, RowShape } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import { decodeRow, type SqlValue } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { decodeCursor, encodeCursor, position } from '../http/cursor.js';
import type { LinesAnswer } from '../http/operation.js';
import { csvLine } from './csv.js';
import { endpointName, groupJson, rowJson, type EndpointByNum } from './result-json.js';
import { mergedGroups, mergedRaw, mergedWindow, type MergedPlace } from './merged-rows.js';
import { groupWindow, rawBlocks, type IndexedGroup, type RawRow } from './result-rows.js';
import { CborRows, jsonRowLines } from './row-encodings.js';
import { rowMember } from './row-objects.js';

/** The first is what is answered to who takes anything. */
export const ROW_FORMATS = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  cbor: 'application/cbor',
  'cbor-seq': 'application/cbor-seq',
} as const;
export type RowFormat = keyof typeof ROW_FORMATS;

interface RowParts {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly byNum: EndpointByNum;
}

interface PageRequest {
  readonly record: QueryRecord;
  /** It alone, or with the queries that it asks again, the first one at the beginning. */
  readonly chain: readonly QueryRecord[];
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly shape: RowShape;
  readonly signal: AbortSignal;
}

// A page ends early rather than exceed this size. It has at least one row.
const PAGE_BYTES = 4 * 1024 * 1024;
const FIRST_PLACE: MergedPlace = { query: 0, seq: 1, at: 0 };

interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor?: string;
}

/** One page of a query's rows. */
export async function rowPage(parts: RowParts, request: PageRequest): Promise<RowPageJson> {
  const { record, shape } = request;
  const { state, mode, columns } = record;
  const view = { shape, columns };
  if (mode === 'raw') {
    const { items, ...next } = await rawPage(parts, request);
    const rows = items.map(
      // The contract's type is that of arrays.
      ({ num, row }) => ({ ...endpointName(num, parts.byNum), ...rowMember(rowJson(row), view) }) as RawRowJson,
    );
    return { state, mode, columns, items: rows, ...next };
  }
  const { items, ...next } = await groupPage(parts, request);
  const groups = items.map((group): GroupJson => groupJson(group, parts.byNum, view));
  return { state, mode, columns, items: groups, ...next };
}

/** The same in CBOR, with the values as endpoints sent them. */
export async function cborRowPage(parts: RowParts, request: PageRequest): Promise<LinesAnswer> {
  const { record, shape } = request;
  const { items, nextCursor } = record.mode === 'raw' ? await rawPage(parts, request) : await groupPage(parts, request);
  const rows = new CborRows({ shape, columns: record.columns, byNum: parts.byNum });
  return {
    ...{ kind: 'lines', status: 200, headers: { 'content-type': ROW_FORMATS.cbor } },
    lines: Readable.from([rows.page(record, items, nextCursor)]),
  };
}

async function rawPage({ streams }: RowParts, { chain, limit, cursor, signal }: PageRequest): Promise<Page<RawRow>> {
  const isMerged = chain.length > 1;
  const place = placeOf(cursor, isMerged);
  const items: RawRow[] = [];
  let bytes = 0;
  for await (const row of mergedRaw(streams, chain, place, signal)) {
    if (items.length === limit || (bytes > PAGE_BYTES && items.length > 0)) {
      const nextCursor = isMerged
        ? encodeCursor('merged-rows', [row.query, row.seq, row.at])
        : encodeCursor('rows', [row.seq, row.at]);
      return { items, nextCursor };
    }
    bytes += row.row.length;
    items.push(row);
  }
  return { items };
}

function placeOf(cursor: string | undefined, isMerged: boolean): MergedPlace {
  if (cursor === undefined) return FIRST_PLACE;
  if (isMerged) {
    const [query, seq, at] = decodeCursor('merged-rows', cursor, [position, position.min(1), position]);
    return { query, seq, at };
  }
  const [seq, at] = decodeCursor('rows', cursor, [position.min(1), position]);
  return { query: 0, seq, at };
}

async function groupPage(
  { streams }: RowParts,
  { record, chain, limit, cursor, signal }: PageRequest,
): Promise<Page<IndexedGroup>> {
  const from = cursor === undefined ? 0 : decodeCursor('groups', cursor, [position])[0];
  const { groups, more } =
    chain.length > 1
      ? await mergedWindow(streams, chain, { from, limit }, signal)
      : await groupWindow(streams, record, { from, limit }, signal);
  let bytes = 0;
  let taken = 0;
  for (; taken < groups.length && bytes <= PAGE_BYTES; taken += 1) bytes += groups[taken]?.row.length ?? 0;
  const items = groups.slice(0, taken);
  const next = groups[taken]?.index ?? (more ? from + limit : undefined);
  return { items, ...(next === undefined ? {} : { nextCursor: encodeCursor('groups', [next]) }) };
}

interface LinesRequest {
  readonly record: QueryRecord;
  /** It alone, or with the queries that it asks again, the first one at the beginning. */
  readonly chain: readonly QueryRecord[];
  readonly format: keyof typeof LINES;
  readonly shape: RowShape;
  readonly escapeFormulas: boolean;
  readonly signal: AbortSignal;
}

const LINES = {
  ndjson: { type: 'application/x-ndjson; charset=utf-8', extension: 'ndjson', write: jsonLines },
  csv: { type: 'text/csv; charset=utf-8; header=present', extension: 'csv', write: csvLines },
  'cbor-seq': { type: ROW_FORMATS['cbor-seq'], extension: 'cborseq', write: cborSequence },
} as const;

/** All rows that are stored now. */
export function rowLines(parts: RowParts, request: LinesRequest): LinesAnswer {
  const { type, extension, write } = LINES[request.format];
  return {
    kind: 'lines',
    status: 200,
    headers: {
      'content-type': type,
      'content-disposition': `attachment; filename="${request.record.id}.${extension}"`,
    },
    lines: write(parts, request),
  };
}

async function* jsonLines({ streams, byNum }: RowParts, request: LinesRequest): AsyncGenerator<string | Uint8Array> {
  const { record, chain, shape, signal } = request;
  const { columns, mode, state } = record;
  const view = { shape, columns, byNum };
  // Objects name their columns, and are what `muster run --from` reads.
  if (shape === 'arrays') yield `${JSON.stringify({ columns, mode, state })}\n`;
  if (mode === 'raw') {
    for await (const block of rawBlocks(streams, chain, signal)) yield* jsonRowLines(block, view);
    return;
  }
  for await (const group of mergedGroups(streams, chain, signal)) {
    yield `${JSON.stringify(groupJson(group, byNum, view))}\n`;
  }
}

async function* cborSequence({ streams, byNum }: RowParts, request: LinesRequest): AsyncGenerator<Uint8Array> {
  const { record, chain, shape, signal } = request;
  const rows = new CborRows({ shape, columns: record.columns, byNum });
  if (shape === 'arrays') yield rows.columns(record);
  if (record.mode === 'raw') {
    for await (const block of rawBlocks(streams, chain, signal)) yield* rows.block(block);
    return;
  }
  for await (const group of mergedGroups(streams, chain, signal)) yield rows.group(group);
}

async function* csvLines(parts: RowParts, request: LinesRequest): AsyncGenerator<string> {
  const { streams, byNum } = parts;
  const { record, chain, signal, escapeFormulas } = request;
  const line = (values: readonly SqlValue[]) => csvLine(values, escapeFormulas);
  if (record.mode === 'raw') {
    yield line(['agent_id', 'host', ...record.columns]);
    for await (const { num, row } of mergedRaw(streams, chain, FIRST_PLACE, signal)) {
      const { agentId, host } = endpointName(num, byNum);
      yield line([agentId, host, ...decodeRow(row)]);
    }
    return;
  }
  yield line(['endpoints', 'copies', 'sample', ...record.columns]);
  for await (const { endpoints, copies, sample, row } of mergedGroups(streams, chain, signal)) {
    const names = sample.map((num) => endpointName(num, byNum)).map(({ num, host }) => host ?? `#${num}`);
    yield line([endpoints, copies, names.join(' '), ...decodeRow(row)]);
  }
}
