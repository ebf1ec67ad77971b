import { EMPTY_LEDGER, OUTCOMES, type Ledger, type QueryRecord } from '@muster/protocol';

/** RFC 3339 in UTC. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** In the order in which people read it, whatever order the wire gave its members. */
export function ledgerJson(ledger: Ledger): Ledger {
  const { targeted, waiting } = ledger;
  return { ...EMPTY_LEDGER, targeted, waiting, ...Object.fromEntries(OUTCOMES.map((name) => [name, ledger[name]])) };
}

/** A query as people see it. `ledger` may be fresher than the record's. */
export function queryJson(record: QueryRecord, ledger: Ledger = record.ledger) {
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
    ledger: ledgerJson(ledger),
    offline: record.offline,
    rows: record.rows,
    ...(record.truncated === undefined ? {} : { truncated: record.truncated }),
  };
}
