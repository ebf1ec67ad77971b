import { EMPTY_LEDGER, OUTCOMES, parseSelector, usesHealth, type Ledger } from '@muster/protocol';
import { sqlParametersJson, type LedgerJson, type QueryJson } from '@muster/api-contract';
import { isoTime } from '../http/json-members.js';
import { decodeNumberSet, type QueryRecord, type ResultEvent } from '@muster/records';

/** The ledger of a query, and how many of the waiting endpoints poll, or say that they work. */
export type QueryProgress = Pick<ResultEvent & { readonly t: 'progress' }, 'ledger' | 'polling' | 'working'>;

/** The outcomes in their fixed order, which the wire does not keep. */
export function ledgerJson(ledger: Ledger): LedgerJson {
  const { targeted, waiting, away } = ledger;
  const outcomes = Object.fromEntries(OUTCOMES.map((name) => [name, ledger[name]]));
  return { ...EMPTY_LEDGER, targeted, waiting, ...outcomes, ...(away === undefined ? {} : { away }) };
}

/** `polling` is present only while endpoints that poll are waited for. */
export function progressJson({ ledger, polling, working }: QueryProgress) {
  const { waiting, answerByMs } = polling ?? { waiting: 0, answerByMs: 0 };
  return {
    ledger: ledgerJson(ledger),
    ...(waiting === 0 ? {} : { polling: { waiting, answerBy: isoTime(answerByMs) } }),
    ...(working === undefined ? {} : { working: { ...working } }),
  };
}

/** How many endpoints the caller named: a retry and a selector with `health` have a set of their own. */
function namedJson({ among, retryOf, selector }: QueryRecord): { agents?: number } {
  if (among === undefined || retryOf !== undefined) return {};
  const parsed = parseSelector(selector);
  return parsed.ok && usesHealth(parsed.selector) ? {} : { agents: decodeNumberSet(among).length };
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
    ...(record.tables === undefined ? {} : { tables: record.tables }),
    ...(record.reduce === undefined ? {} : { reduce: record.reduce }),
    ...(record.retryOf === undefined ? {} : { retryOf: record.retryOf }),
    ...(record.pack === undefined ? {} : { pack: { id: record.pack.id, version: record.pack.version } }),
    ...namedJson(record),
    ...(record.parameters === undefined ? {} : { parameters: sqlParametersJson(record.parameters) }),
    timeoutMs: record.timeoutMs,
    ...(record.budget === undefined ? {} : { budget: record.budget }),
    operator: { id: record.operator, name: record.operatorName },
    createdAt: isoTime(record.createdAtMs),
    deadlineAt: isoTime(record.deadlineMs),
    ...(record.hunt === undefined ? {} : { waitUntil: isoTime(record.deadlineMs) }),
    ...(record.hunt !== undefined && record.hunt.through === undefined ? { standing: true as const } : {}),
    ...(record.endedAtMs === undefined ? {} : { endedAt: isoTime(record.endedAtMs) }),
    ...progressJson(progress),
    offline: record.offline,
    rows: record.rows,
    ...(record.warned === undefined ? {} : { warned: record.warned }),
    ...(record.unfinished === undefined ? {} : { unfinished: record.unfinished }),
    ...(record.truncated === undefined ? {} : { truncated: record.truncated }),
  };
}
