import type { EndpointNameJson, FailureJson, GroupJson, WarningJson } from '@muster/api-contract';
import type { Endpoint } from '@muster/directory';
import { decodeRow, RowJsonWriter, sqlValueToJson } from '@muster/protocol';
import type { JsonSqlValue, Outcome, SqlValue } from '@muster/protocol';
import {
  readAnswerBlock,
  readGroupBlock,
  type AnswerWarning,
  type Failure,
  type GroupedRow,
  type KeptState,
  type ResultEvent,
} from '@muster/records';
import { ledgerJson, queryJson, progressJson } from './query-json.js';
import { rowKeys, rowMember, type RowView } from './row-objects.js';

/** Finds an endpoint by its number. An unknown endpoint is shown by number alone. */
export type EndpointByNum = (num: number) => Pick<Endpoint, 'agentId' | 'facts'> | undefined;

export function endpointName(num: number, byNum: EndpointByNum): EndpointNameJson {
  const endpoint = byNum(num);
  return { num, agentId: endpoint?.agentId ?? null, host: endpoint?.facts.host ?? null };
}

/** The values of one encoded row. Throws for a malformed row, which would be a bug. */
export function rowJson(row: Uint8Array): JsonSqlValue[] {
  return decodeRow(row).map(sqlValueToJson);
}

export function valuesJson(values: readonly SqlValue[]): JsonSqlValue[] {
  return values.map(sqlValueToJson);
}

export function failureJson([num, outcome, code, message]: Failure, byNum: EndpointByNum): FailureJson {
  return { ...endpointName(num, byNum), outcome, code, message };
}

/** The same for an endpoint that may be waited for. */
export function unansweredJson(
  [num, outcome, code, message]: readonly [num: number, outcome: KeptState, code: string, message: string],
  byNum: EndpointByNum,
): FailureJson {
  // Sound: only who asks for `waiting` gets it.
  return failureJson([num, outcome as Outcome, code, message], byNum);
}

export function warningJson([num, code, count, message]: AnswerWarning, byNum: EndpointByNum): WarningJson {
  return { ...endpointName(num, byNum), code, count, message };
}

export function groupJson(
  group: GroupedRow & { readonly index: number },
  byNum: EndpointByNum,
  view: RowView,
): GroupJson {
  const { index, endpoints, copies } = group;
  const sample = group.sample.map((num) => endpointName(num, byNum));
  // The contract's type is that of arrays.
  return { index, endpoints, copies, sample, ...rowMember(rowJson(group.row), view) } as GroupJson;
}

/** What the text of an event depends on besides the event. */
export interface EventView extends RowView {
  readonly seq: number | null;
  readonly byNum: EndpointByNum;
}

/**
 * The JSON text of one event on one line, in pieces: an event may hold a megabyte of rows, which must not be in memory as text for every
 * viewer. Bytes are UTF-8.
 */
export function* eventPieces(event: ResultEvent, view: EventView): Generator<string | Uint8Array> {
  switch (event.t) {
    case 'rows':
      yield `{"event":"rows","seq":${view.seq},"answers":[`;
      yield* answerPieces(event.answers, view);
      yield `]${ledgerMember(event)}}`;
      return;
    case 'groups':
      yield `{"event":"groups","seq":${view.seq},"groups":[`;
      yield* groupPieces(event.groups, view);
      yield `]${event.more === true ? ',"more":true' : ''}${ledgerMember(event)}}`;
      return;
    default:
      yield JSON.stringify({ event: event.t, seq: view.seq, ...smallEvent(event, view.byNum) });
  }
}

/** The ledger of what is in the stream up to this event. */
function ledgerMember({ ledger }: Stamped): string {
  return ledger === undefined ? '' : `,"ledger":${JSON.stringify(ledgerJson(ledger))}`;
}

/** About as much text is in memory for a viewer at a time. */
const PIECE_BYTES = 16 * 1024;

/** Groups as members of a JSON array, in pieces of about {@link PIECE_BYTES}: each piece costs the writer a turn of its own. */
function* groupPieces(block: Uint8Array, view: EventView): Generator<string> {
  let piece = '';
  let open = '';
  for (const group of readGroupBlock(block)) {
    piece += open + JSON.stringify(groupJson(group, view.byNum, view));
    open = ',';
    if (piece.length < PIECE_BYTES) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** Answers as members of a JSON array, in pieces of about {@link PIECE_BYTES}. */
function* answerPieces(block: Uint8Array, { byNum, ...view }: EventView): Generator<Uint8Array> {
  const writer = new RowJsonWriter();
  const keys = view.shape === 'arrays' ? undefined : rowKeys(view.columns);
  let open = '';
  for (const { num, rows } of readAnswerBlock(block)) {
    writer.text(`${open}${JSON.stringify(endpointName(num, byNum)).slice(0, -1)},"rows":[`);
    open = ',';
    for (let at = 0; at < rows.length;) {
      if (at > 0) writer.text(',');
      at = writer.row(rows, at, keys);
      if (writer.length >= PIECE_BYTES) yield writer.take();
    }
    writer.text(']}');
  }
  if (writer.length > 0) yield writer.take();
}

type Stamped = Pick<ResultEvent & { readonly t: 'rows' }, 'ledger'>;

function stampJson({ ledger }: Stamped): object {
  return ledger === undefined ? {} : { ledger: ledgerJson(ledger) };
}

function smallEvent(event: Exclude<ResultEvent, { t: 'rows' | 'groups' }>, byNum: EndpointByNum): object {
  switch (event.t) {
    case 'started':
    case 'ended':
      return { query: queryJson(event.record) };
    case 'progress':
      return { ...progressJson(event), elapsedMs: event.elapsedMs, gateways: event.gateways };
    case 'failures':
      return { failures: event.failures.map((failure) => failureJson(failure, byNum)), ...stampJson(event) };
    case 'warnings':
      return { warnings: event.warnings.map((warning) => warningJson(warning, byNum)) };
    case 'recovered':
      return { endpoints: event.numbers.map((num) => endpointName(num, byNum)), ...stampJson(event) };
    case 'reduced': {
      const { columns, rows, truncated, error } = event;
      return { columns, rows: rows.map(valuesJson), truncated, ...(error === undefined ? {} : { error }) };
    }
  }
}
