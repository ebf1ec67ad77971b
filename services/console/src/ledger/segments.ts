import type { CommandLedgerJson, LedgerJson } from '@muster/api-contract';

/** A part of a ledger. */
export interface Segment {
  readonly key: string;
  readonly label: string;
  readonly count: number;
  /** Of all targeted ones, 0 to 1. */
  readonly share: number;
  /** The name of its colour. */
  readonly tone: string;
}

const QUERY = [
  ['answered', 'answered'],
  ['empty', 'empty'],
  ['error', 'error'],
  ['refused', 'refused'],
  ['over_budget', 'over budget'],
  ['timed_out', 'timed out'],
  ['disconnected', 'disconnected'],
  ['unreachable', 'unreachable'],
  ['waiting', 'waiting'],
] as const;

const COMMAND = [
  ['succeeded', 'succeeded', 'answered'],
  ['failed', 'failed', 'error'],
  ['refused', 'refused', 'refused'],
  ['unsupported', 'unsupported', 'unreachable'],
  ['timed_out', 'timed out', 'timed_out'],
  ['cancelled', 'cancelled', 'disconnected'],
  ['expired', 'expired', 'over_budget'],
  ['running', 'running', 'empty'],
  ['accepted', 'accepted', 'empty'],
  ['sent', 'sent', 'waiting'],
  ['queued', 'queued', 'waiting'],
] as const;

/** The outcomes of a query that have endpoints, in a fixed order, so that the bar does not jump. */
export function querySegments(ledger: LedgerJson): readonly Segment[] {
  return made(
    QUERY.map(([key, label]) => ({ key, label, tone: key, count: ledger[key] })),
    ledger.targeted,
  );
}

/** The states of a command's targets. */
export function commandSegments(ledger: CommandLedgerJson): readonly Segment[] {
  return made(
    COMMAND.map(([key, label, tone]) => ({ key, label, tone, count: ledger[key] })),
    ledger.targeted,
  );
}

function made(parts: readonly Omit<Segment, 'share'>[], targeted: number): readonly Segment[] {
  return parts.filter(({ count }) => count > 0).map((part) => ({ ...part, share: part.count / Math.max(1, targeted) }));
}

/** `1,258 targeted = 1,257 answered + 1 error`, in numbers that add up. */
export function ledgerSentence(segments: readonly Segment[], targeted: number): string {
  if (targeted === 0) return 'nobody targeted';
  const parts = segments.map(({ count, label }) => `${count.toLocaleString('en-US')} ${label}`);
  return `${targeted.toLocaleString('en-US')} targeted = ${parts.join(' + ')}`;
}

/** Outcomes without an answer: these endpoints can be asked again. */
export function unanswered(ledger: LedgerJson): number {
  return ledger.targeted - ledger.answered - ledger.empty - ledger.waiting;
}
