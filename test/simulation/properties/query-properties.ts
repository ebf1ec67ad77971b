import { ledgerBalances, type Ledger, type QueryId } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import type { NatsServer } from '../brokers/nats-server.js';
import { ledgerText, LOST, type Asked } from '../nodes/caller.js';
import type { Endpoint } from '../nodes/endpoint.js';
import type { Manner } from '../plans/plan.js';
import { ORG } from '../nodes/identities.js';
import type { FaultLog } from './fault-log.js';
import { KeptStates } from './kept-states.js';

export interface QueryFacts {
  readonly endpoints: readonly Endpoint[];
  readonly nats: NatsServer;
  readonly faults: FaultLog;
  readonly nowMs: number;
}

/** How long a session must be ready before a question for its endpoint to count as live. */
const SETTLED_MS = 2_000;
/** An endpoint that dies or loses its connections so soon after the question may be gone before the question is sent. */
const SENT_WITHIN_MS = 2_000;

/** Who was there for so long before a hunt ended was asked. */
const HUNTED_MS = 12_000;
/** Who has a session for so long without a fault is asked and answers. */
const BACK_MS = 8_000;
/** So long an endpoint may take to answer, and its answer to be kept. */
const ANSWERED_MS = 1_800;
/** What a fault has disturbed is over by then. */
const UNDISTURBED_MS = 30_000;
/** An answer is kept so soon after it was given, also that of one that polls. */
const ARRIVED_MS = 4_000;
const ABSENT: ReadonlySet<string> = new Set(['disconnected', 'unreachable', 'timed_out']);
const GONE: ReadonlySet<string> = new Set(['disconnected', 'unreachable']);
const BEGUN_WITHIN_MS = 5_000;
const ENDED_WITHIN_MS = 5_000;
const isNotRedis = (target: string): boolean => target !== 'redis' && !/^e\d/.test(target);

/** The promises of queries, each in words and in code. Nothing here looks into a service. */
export const QUERY_PROPERTIES = {
  'every query ends': (asked: Asked) =>
    asked.endedAtMs === undefined && asked.refused === undefined ? 'it has no end' : undefined,

  'a ledger balances at every moment': ({ events }: Asked) => {
    for (const event of events) {
      const ledger = 'ledger' in event ? event.ledger : event.t === 'ended' ? event.record.ledger : undefined;
      if (ledger !== undefined && !ledgerBalances(ledger)) return `${event.t} says ${ledgerText(ledger)}`;
    }
    return undefined;
  },

  'rows, failures and ledger are of one moment': ({ events }: Asked) => {
    const kept = new KeptStates();
    for (const event of events) {
      kept.apply(event);
      const told = 'ledger' in event ? event.ledger : event.t === 'ended' ? event.record.ledger : undefined;
      if (told === undefined || same(told, kept.ledger)) continue;
      return `${event.t} says ${ledgerText(told)}; what is kept up to there says ${ledgerText(kept.ledger)}`;
    }
    return undefined;
  },

  'every endpoint has exactly one outcome at the end': ({ events }: Asked) => {
    const end = events.at(-1);
    if (end?.t !== 'ended') return undefined;
    return end.record.ledger.waiting > 0 ? `${end.record.ledger.waiting} still wait at the end` : undefined;
  },

  'no rows are counted twice': ({ events }: Asked) => {
    const kept = new KeptStates();
    for (const event of events) kept.apply(event);
    const twice = [...kept.rowsOf].filter(([, answers]) => answers > 1);
    return twice.length > 0 ? `the rows of ${twice.map(([num]) => `e${num}`).join(', ')} are kept twice` : undefined;
  },

  'told end and kept end are the same': ({ id, events }: Asked, { nats }: QueryFacts) => {
    const told = events.at(-1);
    if (told?.t !== 'ended' || id === undefined) return undefined;
    const kept = keptRecord(nats, id);
    if (kept === undefined) return 'the record is gone';
    const isSame =
      kept.state === told.record.state && same(kept.ledger, told.record.ledger) && kept.rows === told.record.rows;
    const text = ({ state, ledger, rows }: QueryRecord): string => `${state}, ${rows} rows, ${ledgerText(ledger)}`;
    return isSame ? undefined : `told: ${text(told.record)}; kept: ${text(kept)}`;
  },

  'nothing follows the end': ({ id }: Asked, { nats }: QueryFacts) => {
    if (id === undefined) return undefined;
    const subject = STREAM_SUBJECTS.result(ORG, id);
    const kept = nats.store.stream(STREAMS.results.name).entries.filter((entry) => entry.subject === subject);
    const events = kept.map(({ data }) => decodeQueryRecord<ResultEvent>(data).t);
    const end = events.indexOf('ended');
    return end < 0 || end === events.length - 1 ? undefined : `after it comes ${events.slice(end + 1).join(', ')}`;
  },

  'who was live when a question was asked is among its targets': (
    { events, ready, atMs, answeredAtMs = atMs }: Asked,
    { endpoints, faults }: QueryFacts,
  ) => {
    const end = events.at(-1);
    // Of a hunt who was away is asked later.
    if (end?.t !== 'ended' || end.record.state !== 'complete' || end.record.hunt !== undefined) return undefined;
    const kept = new KeptStates();
    for (const event of events) kept.apply(event);
    // An attempt may have waited for long, or is one after others that got lost.
    const untilMs = answeredAtMs + SENT_WITHIN_MS;
    if (faults.haveHiddenGateway(atMs, untilMs)) return undefined;
    // A gateway that is cut off from all sides at once hears of the question when its sessions are gone.
    const isCut = faults.haveCutGateway(atMs, untilMs);
    const hasLeft = (num: number): boolean => {
      const endpoint = endpoints.find(({ identity }) => identity.num === num);
      // Between two polls an endpoint cannot know that its session is gone.
      if (endpoint?.mayHaveBeenGone(atMs, untilMs) === true) return true;
      const left = [...(endpoint?.process.leftAtMs ?? []), ...(isCut ? (endpoint?.lostAtMs ?? []) : [])];
      return left.some((leftAtMs) => leftAtMs >= atMs && leftAtMs < untilMs);
    };
    const missing = [...ready].filter(
      ([num, sinceMs]) => atMs - sinceMs > SETTLED_MS && !kept.states.has(num) && !hasLeft(num),
    );
    return missing.length > 0
      ? `${missing.map(([num]) => `e${num}`).join(', ')} of ${ready.size} are no targets`
      : undefined;
  },

  'an outcome that an endpoint gave is one that it did give': ({ id, events }: Asked, { endpoints }: QueryFacts) => {
    if (id === undefined) return undefined;
    const kept = new KeptStates();
    for (const event of events) kept.apply(event);
    for (const { identity, manner, answered } of endpoints) {
      const state = kept.states.get(identity.num);
      if (state !== 'answered' && state !== 'empty' && state !== 'error') continue;
      if (OUTCOME_OF[manner] !== state || !answered.has(id)) return `e${identity.num} (${manner}) is told as ${state}`;
    }
    return undefined;
  },
  'a hunt leaves nobody out who was there': (
    { id, isHunt, events, readyAtEnd }: Asked,
    { faults, endpoints, nats }: QueryFacts,
  ) => {
    const end = events.at(-1);
    if (!isHunt || end?.t !== 'ended' || end.record.state !== 'complete' || id === undefined) return undefined;
    const endedAtMs = endOf(nats, id);
    if (faults.touch(endedAtMs - HUNTED_MS, endedAtMs)) return undefined;
    // Not more than two hunts at once ask one endpoint: one that says nothing keeps others waiting.
    const missing = endpoints.filter(({ identity: { num }, asked, manner, slowestMs }) => {
      const sinceMs = readyAtEnd.get(num) ?? endedAtMs;
      return manner !== 'silent' && endedAtMs - sinceMs > HUNTED_MS + slowestMs && !asked.has(id);
    });
    return missing.length > 0 ? `${missing.map(({ process }) => process.name).join(', ')} were not asked` : undefined;
  },

  'who is back before the end is asked again': (
    { atMs, events, isHunt, readyAtEnd }: Asked,
    { faults, endpoints, nats }: QueryFacts,
  ) => {
    const end = events.at(-1);
    if (isHunt || end?.t !== 'ended' || end.record.state !== 'complete') return undefined;
    const endedAtMs = endOf(nats, end.record.id);
    if (faults.touch(endedAtMs - BACK_MS, endedAtMs)) return undefined;
    const kept = new KeptStates();
    for (const event of events) kept.apply(event);
    // An answer that it gave may be lost with the report of its gateway: then it is not asked again.
    const left = endpoints.filter(({ identity: { num }, manner, answered, slowestMs }) => {
      const sinceMs = readyAtEnd.get(num) ?? endedAtMs;
      return (
        manner !== 'silent' &&
        !answered.has(end.record.id) &&
        endedAtMs - sinceMs > BACK_MS + slowestMs &&
        // One that polls hears of it at its next poll.
        endedAtMs - atMs > slowestMs + ANSWERED_MS &&
        ABSENT.has(kept.states.get(num) ?? '')
      );
    });
    const names = left.map(({ process, identity: { num } }) => `${process.name} (${kept.states.get(num)})`);
    return left.length > 0 ? `${names.join(', ')} could have been asked` : undefined;
  },

  'who answered in time is told so': ({ id, atMs, events }: Asked, { faults, endpoints, nats }: QueryFacts) => {
    const end = events.at(-1);
    if (end?.t !== 'ended' || end.record.state !== 'complete' || id === undefined) return undefined;
    const endedAtMs = endOf(nats, id);
    if (faults.touch(atMs - UNDISTURBED_MS, endedAtMs)) return undefined;
    const kept = new KeptStates();
    for (const event of events) kept.apply(event);
    // Who changes its channel does not stop answering: it is asked again where it goes to.
    const lost = endpoints.filter(({ identity: { num }, manner, answered }) => {
      const answeredAtMs = answered.get(id);
      const isInTime = answeredAtMs !== undefined && endedAtMs - answeredAtMs > ARRIVED_MS;
      return isInTime && kept.states.get(num) !== OUTCOME_OF[manner];
    });
    const names = lost.map(({ process, identity: { num } }) => `${process.name} (${kept.states.get(num)})`);
    return lost.length > 0 ? `${names.join(', ')} had answered` : undefined;
  },

  'who stays is not told as gone': (
    { atMs, ready, readyAtEnd, events }: Asked,
    { faults, endpoints, nats }: QueryFacts,
  ) => {
    const end = events.at(-1);
    if (end?.t !== 'ended' || faults.touch(atMs - UNDISTURBED_MS, endOf(nats, end.record.id))) return undefined;
    const kept = new KeptStates();
    for (const event of events) kept.apply(event);
    // From one session to the next without a gap: it stays, also where it changes its channel or its gateway.
    const gone = endpoints.filter(({ identity: { num } }) => {
      const sinceMs = ready.get(num);
      const hasStayed = sinceMs !== undefined && atMs - sinceMs > SETTLED_MS && readyAtEnd.get(num) === sinceMs;
      return hasStayed && GONE.has(kept.states.get(num) ?? '');
    });
    const names = gone.map(({ process, identity: { num } }) => `${process.name} (${kept.states.get(num)})`);
    return gone.length > 0 ? `${names.join(', ')} had a session all the time` : undefined;
  },

  'one key makes one question': ({ ids }: Asked, { endpoints }: QueryFacts) => {
    const begun = [...ids].filter((id) => endpoints.some(({ asked }) => asked.has(id)));
    return begun.length > 1 ? `endpoints were asked ${begun.join(' and ')} under one key` : undefined;
  },

  'a resumed event stream has no gap and no double': ({ id, started, seqs }: Asked, { nats }: QueryFacts) => {
    if (started === undefined || id === undefined) return undefined;
    const subject = STREAM_SUBJECTS.result(ORG, id);
    const kept = nats.store.stream(STREAMS.results.name).entries.filter((entry) => entry.subject === subject);
    const wanted = kept.map(({ seq }) => seq).slice(0, seqs.length);
    return seqs.join(' ') === wanted.join(' ')
      ? undefined
      : `its viewer was told ${seqs.join(' ')}, and ${wanted.join(' ')} are kept`;
  },

  'who is told no may ask again': ({ noes }: Asked) =>
    noes.includes('conflict') && !noes.slice(0, noes.indexOf('conflict')).includes(LOST)
      ? 'its key is taken, and nothing runs under it'
      : undefined,

  'a question begins in time, whatever Redis does': (
    { answeredAtMs, atMs, noes }: Asked,
    { faults, nowMs }: QueryFacts,
  ) => {
    const untilMs = (answeredAtMs ?? nowMs) - (noes.length === 0 ? 0 : 10_000);
    if (untilMs - atMs <= BEGUN_WITHIN_MS || faults.touch(atMs - 20_000, untilMs, isNotRedis)) return undefined;
    return `it took ${Math.round(untilMs - atMs)} ms`;
  },

  'a question ends in its time': ({ started, endedAtMs, atMs, timeoutMs }: Asked, { faults, nowMs }: QueryFacts) => {
    if (started === undefined) return undefined;
    const lateMs = (endedAtMs ?? nowMs) - atMs - timeoutMs;
    if (lateMs <= ENDED_WITHIN_MS || faults.touch(atMs - 20_000, endedAtMs ?? nowMs, isNotRedis)) return undefined;
    return `it ended ${Math.round(lateMs)} ms after its time`;
  },
} as const satisfies Record<string, (asked: Asked, facts: QueryFacts) => string | undefined>;

const OUTCOME_OF: Readonly<Record<Manner, string>> = {
  rows: 'answered',
  empty: 'empty',
  error: 'error',
  silent: 'timed_out',
};

function keptRecord(nats: NatsServer, id: QueryId): QueryRecord | undefined {
  const subject = STREAM_SUBJECTS.query(ORG, id);
  const entry = nats.store.stream(STREAMS.queries.name).entries.findLast((each) => each.subject === subject);
  return entry === undefined ? undefined : decodeQueryRecord<QueryRecord>(entry.data);
}

/** When the end was kept: a caller may read it much later. */
function endOf(nats: NatsServer, id: QueryId): number {
  const subject = STREAM_SUBJECTS.result(ORG, id);
  const entries = nats.store.stream(STREAMS.results.name).entries;
  return entries.findLast((each) => each.subject === subject)?.timestampMs ?? 0;
}

function same(a: Ledger, b: Ledger): boolean {
  // Who is away from a hunt is counted from the identities, not from its events.
  return Object.entries(a).every(([name, count]) => name === 'away' || b[name as keyof Ledger] === count);
}
