import type { EndpointNameJson, FailureJson, GroupJson, WarningJson } from '@muster/api-contract';
import type { Endpoint } from '@muster/directory';
import { decodeRow, forEachRow, rowJsonText, sqlValueToJson, type JsonSqlValue, type SqlValue } from '@muster/protocol';
import {
  readAnswerBlock,
  readGroupBlock,
  type AnswerWarning,
  type Failure,
  type GroupedRow,
  type ResultEvent,
} from '@muster/records';
import { ledgerJson, queryJson, progressJson } from './query-json.js';

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

export function warningJson([num, code, count, message]: AnswerWarning, byNum: EndpointByNum): WarningJson {
  return { ...endpointName(num, byNum), code, count, message };
}

export function groupJson(group: GroupedRow & { readonly index: number }, byNum: EndpointByNum): GroupJson {
  const { index, endpoints, copies } = group;
  const sample = group.sample.map((num) => endpointName(num, byNum));
  return { index, endpoints, copies, sample, values: rowJson(group.row) };
}

/** What the text of an event depends on besides the event. */
export interface EventView {
  readonly seq: number | null;
  readonly columns: number;
  readonly byNum: EndpointByNum;
}

/**
 * The JSON text of one event on one line, in pieces of about one row: an event may hold a megabyte of rows, which must not be in memory as
 * text for every viewer.
 */
export function* eventPieces(event: ResultEvent, view: EventView): Generator<string> {
  switch (event.t) {
    case 'rows':
      yield `{"event":"rows","seq":${view.seq},"answers":[`;
      yield* answerPieces(event.answers, view);
      yield `]${ledgerMember(event)}}`;
      return;
    case 'groups': {
      yield `{"event":"groups","seq":${view.seq},"groups":[`;
      let first = true;
      for (const group of readGroupBlock(event.groups)) {
        yield (first ? '' : ',') + JSON.stringify(groupJson(group, view.byNum));
        first = false;
      }
      yield `]${event.more === true ? ',"more":true' : ''}${ledgerMember(event)}}`;
      return;
    }
    default:
      yield JSON.stringify({ event: event.t, seq: view.seq, ...smallEvent(event, view.byNum) });
  }
}

/** The ledger of what is in the stream up to this event. */
function ledgerMember({ ledger }: Stamped): string {
  return ledger === undefined ? '' : `,"ledger":${JSON.stringify(ledgerJson(ledger))}`;
}

/** Answers up to this many bytes are one piece. */
const SMALL_ANSWER_BYTES = 16 * 1024;

function* answerPieces(block: Uint8Array, { columns, byNum }: EventView): Generator<string> {
  let first = true;
  for (const { num, rows } of readAnswerBlock(block)) {
    const name = JSON.stringify(endpointName(num, byNum));
    const open = `${first ? '' : ','}${name.slice(0, -1)},"rows":[`;
    first = false;
    if (rows.length <= SMALL_ANSWER_BYTES) {
      const texts: string[] = [];
      forEachRow(rows, columns, (start, end) => texts.push(rowJsonText(rows.subarray(start, end))));
      yield `${open}${texts.join(',')}]}`;
      continue;
    }
    yield open;
    const bounds: number[] = [];
    forEachRow(rows, columns, (start, end) => bounds.push(start, end));
    for (let i = 0; i < bounds.length; i += 2) {
      yield (i === 0 ? '' : ',') + rowJsonText(rows.subarray(bounds[i], bounds[i + 1]));
    }
    yield ']}';
  }
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
