import { EMPTY_LEDGER, OUTCOMES, type Ledger } from '@muster/protocol';
import type { LedgerJson, QueryJson } from '@muster/api-contract';
import { isoTime } from '../http/json-members.js';
import type { QueryRecord, ResultEvent } from '@muster/records';

/** The ledger of a query, and how many of the waiting endpoints poll. */
export type QueryProgress = Pick<ResultEvent & { readonly t: 'progress' }, 'ledger' | 'polling'>;

/** The outcomes in their fixed order, which the wire does not keep. */
export function ledgerJson(ledger: Ledger): LedgerJson {
  const { targeted, waiting } = ledger;
  return { ...EMPTY_LEDGER, targeted, waiting, ...Object.fromEntries(OUTCOMES.map((name) => [name, ledger[name]])) };
}

/** `polling` is present only while endpoints that poll are waited for. */
export function progressJson({ ledger, polling }: QueryProgress) {
  const { waiting, answerByMs } = polling ?? { waiting: 0, answerByMs: 0 };
  return {
    ledger: ledgerJson(ledger),
    ...(waiting === 0 ? {} : { polling: { waiting, answerBy: isoTime(answerByMs) } }),
  };
}

/** The JSON of a query. `progress` may be newer than the record. */
export function queryJson(record: QueryRecord, progress: QueryProgress = record): QueryJson {
  return {
    id: record.id,
    state: record.state,
    sql: record.sql,
    mode: record.mode,
    selector: record.selector,
    scope: record.scope,
    columns: record.columns,
    ...(record.reduce === undefined ? {} : { reduce: record.reduce }),
    timeoutMs: record.timeoutMs,
    operator: { id: record.operator, name: record.operatorName },
    createdAt: isoTime(record.createdAtMs),
    deadlineAt: isoTime(record.deadlineMs),
    ...(record.endedAtMs === undefined ? {} : { endedAt: isoTime(record.endedAtMs) }),
    ...progressJson(progress),
    offline: record.offline,
    rows: record.rows,
    ...(record.warned === undefined ? {} : { warned: record.warned }),
    ...(record.truncated === undefined ? {} : { truncated: record.truncated }),
  };
}
