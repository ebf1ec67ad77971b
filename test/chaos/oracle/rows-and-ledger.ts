import type { LedgerJson } from '@muster/api-contract';
import { ledgerBalances, OUTCOMES } from '@muster/protocol';
import type { KeptQuery, QueryObservation } from '../record/observations.js';
import type { Violation } from './violation.js';

/** Every ledger that anybody was told adds up, at every moment. */
export function ledgersBalance({ ask, id = '', viewings }: QueryObservation, kept: KeptQuery): Violation[] {
  const told = viewings.flatMap(({ unbalanced, ended, fromMs }) => [
    ...unbalanced.map((ledger) => ({ ledger, atMs: ended?.atMs ?? fromMs })),
    ...(ended === undefined ? [] : [{ ledger: ended.query.ledger, atMs: ended.atMs }]),
  ]);
  const all = [...told, { ledger: kept.query.ledger, atMs: endOf(kept) }];
  return all
    .filter(({ ledger }) => !ledgerBalances(ledger))
    .map(({ ledger, atMs }) => ({
      ...{ rule: 'ledgers balance', atMs, ids: [`ask ${ask}`, id] },
      ...{ told: ledgerText(ledger), truth: 'the outcomes and the waiting do not add up to the targeted' },
    }));
}

/**
 * Rows and ledger of a kept result describe one moment: who has rows is counted answered, and the other way round; who
 * has none is listed.
 */
export function rowsAgreeWithLedger({ ask, id = '' }: QueryObservation, kept: KeptQuery): Violation[] {
  const { query, endpoints, agents = [], failures, wrong } = kept;
  const { ledger } = query;
  const faults: string[] = [];
  if (ledger.answered !== endpoints) faults.push(`${endpoints} endpoints have rows`);
  if (agents.length !== new Set(agents).size) faults.push('an endpoint has rows twice');
  const failed = new Set(failures.map(({ agentId, num }) => agentId ?? `#${num}`));
  const both = agents.filter((agent) => failed.has(agent));
  if (both.length > 0) faults.push(`${both.length} have rows and are listed as failed: ${both.slice(0, 3).join(' ')}`);
  for (const outcome of OUTCOMES) {
    if (outcome === 'answered' || outcome === 'empty') continue;
    const listed = failures.filter((failure) => failure.outcome === outcome).length;
    if (listed !== ledger[outcome]) faults.push(`${listed} are listed as ${outcome}`);
  }
  if (ledger.waiting > 0) faults.push('it has ended, and somebody waits');
  if (wrong.length > 0) faults.push(`${wrong.length} rows are not true: ${wrong[0]}`);
  if (faults.length === 0) return [];
  const told = `${query.state}, ${query.mode}, ${ledgerText(ledger)}`;
  return [{ rule: 'rows against ledger', atMs: endOf(kept), ids: [`ask ${ask}`, id], told, truth: faults.join('; ') }];
}

export function endOf({ query }: KeptQuery): number {
  return Date.parse(query.endedAt ?? query.deadlineAt);
}

/** The counts that are not 0. */
export function ledgerText(ledger: LedgerJson): string {
  const counts = Object.entries(ledger).filter(([name, count]) => (count ?? 0) > 0 || name === 'targeted');
  return counts.map(([name, count]) => `${name} ${count}`).join(', ');
}
