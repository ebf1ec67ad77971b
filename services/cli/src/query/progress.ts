import { LIMITS, type Ledger } from '@muster/protocol';
import type { PollingJson, QueryJson, WorkingJson } from '@muster/api-contract';
import { escapeControls } from '../terminal/escape.js';
import { wallTime } from '../terminal/time-text.js';
import { numberText } from '../terminal/listing.js';

type Running = Pick<QueryJson, 'ledger' | 'deadlineAt' | 'waitUntil'> & {
  readonly polling?: PollingJson | undefined;
  readonly working?: WorkingJson | undefined;
};

/** `5,000 targeted · 4,800 answered · 178 waiting · 12 waiting (poll, by 12:00:41) · 10 failed` */
export function progressText(query: Running, nowMs = Date.now()): string {
  const { targeted, waiting } = query.ledger;
  const answered = query.ledger.answered + query.ledger.empty;
  const polls = pollText(query, nowMs);
  const live = waiting - (query.polling?.waiting ?? 0);
  const failed = failedOf(query.ledger);
  const counts = [
    `${numberText(targeted)} targeted`,
    `${numberText(answered)} answered`,
    // Space on the line is short: zero counts are left out when there is something about polls.
    ...(polls !== undefined && live === 0 ? [] : [`${numberText(live)} waiting`]),
    ...(polls === undefined ? [] : [polls]),
    ...(query.working === undefined ? [] : [workText(query.working)]),
    ...(polls !== undefined && failed === 0 ? [] : [`${numberText(failed)} failed`]),
    ...(query.ledger.away === undefined ? [] : [`${numberText(query.ledger.away)} away`]),
    ...(query.waitUntil === undefined ? [] : [`until ${wallTime(query.waitUntil, nowMs)}`]),
  ];
  return counts.join(' · ');
}

/** `3 working (1 stands still), 120,455 looked at` */
function workText({ endpoints, paused, looked }: WorkingJson): string {
  const still = paused === 0 ? '' : ` (${numberText(paused)} ${paused === 1 ? 'stands' : 'stand'} still)`;
  return `${numberText(endpoints)} working${still}, ${numberText(looked)} looked at`;
}

function pollText({ polling, deadlineAt }: Running, nowMs: number): string | undefined {
  if (polling === undefined) return undefined;
  const { waiting, answerBy } = polling;
  const late = isLate(answerBy, deadlineAt) ? `, after the deadline at ${wallTime(deadlineAt, nowMs)}` : '';
  return `${numberText(waiting)} waiting (poll, by ${wallTime(answerBy, nowMs)}${late})`;
}

function failedOf({ targeted, waiting, answered, empty }: Ledger): number {
  return targeted - answered - empty - waiting;
}

/** What helps when the deadline came before the polls of some endpoints. `polling` is what was last known of them. */
export function lateText(query: QueryJson, polling: PollingJson | undefined, nowMs = Date.now()): string | undefined {
  const { state, ledger, deadlineAt, createdAt, scope } = query;
  if (polling === undefined || state !== 'complete' || ledger.timed_out === 0) return undefined;
  const { waiting, answerBy } = polling;
  if (!isLate(answerBy, deadlineAt)) return undefined;
  const minutes = Math.ceil((Date.parse(answerBy) - Date.parse(createdAt) + ANSWER_MS) / MINUTE_MS);
  const longer = minutes * MINUTE_MS > LIMITS.queryTimeoutMaxMs ? '' : `Ask with --timeout ${minutes}m, or make`;
  const target = escapeControls([scope, 'mode=poll'].filter((part) => part !== '').join(','));
  return (
    `${numberText(waiting)} of those polled, and the deadline came first: the last was due at ${wallTime(answerBy, nowMs)}.\n` +
    `${longer === '' ? 'Make' : longer} them Live first: muster mode live --target '${target}'`
  );
}

/** How long endpoints need to answer after they have heard of a question. */
const ANSWER_MS = 5_000;
const MINUTE_MS = 60_000;

function isLate(answerBy: string, deadlineAt: string): boolean {
  return Date.parse(answerBy) > Date.parse(deadlineAt);
}
