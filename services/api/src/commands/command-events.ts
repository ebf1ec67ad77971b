import type { TargetDetail } from '@muster/api-contract';
import { summaryOf } from '@muster/messages';
import { AppError, isTerminal } from '@muster/protocol';
import type { CommandFold, CommandRecord, FoldStep } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { TimedReader } from '../http/timed-reader.js';
import type { StreamItem } from '../http/viewers.js';
import { commandJson, commandLedgerJson, targetText, type EndpointVisibility } from './command-json.js';
import { applyEntry, type Applied, type CommandStore } from './command-store.js';

export interface CommandEventsOptions {
  readonly store: Pick<CommandStore, 'follow'>;
  readonly clock: Clock;
  readonly visibility: EndpointVisibility;
  readonly detail: TargetDetail;
  /** Events only of entries after this one. Earlier entries are folded without events. */
  readonly afterSeq: number;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

/** Targets in one event: large enough to be cheap, small enough to be read as they come. */
const TARGETS_PER_EVENT = 500;
const TARGETS_PER_PIECE = 100;

/**
 * The events of one command, to its end. One journal entry makes several events: changed targets, then the ledger.
 * Only the last of them has the entry's sequence as its id. A viewer that was disconnected between them gets all of them again.
 */
export async function* commandEvents(
  journal: Pick<CommandRecord, 'org' | 'id'>,
  options: CommandEventsOptions,
): AsyncGenerator<StreamItem> {
  const { signal, clock, heartbeatMs } = options;
  const reading = new AbortController();
  const entries = options.store.follow(journal, AbortSignal.any([signal, reading.signal]));
  const reader = new TimedReader(entries, clock);
  let fold: CommandFold | undefined;
  try {
    for (;;) {
      const next = await reader.next(heartbeatMs);
      if (signal.aborted) return;
      if (next === 'ended' || next === 'lost')
        throw new AppError('broker_unavailable', 'the journal broke off; connect again');
      if (next === 'timeout') {
        yield { kind: 'idle' };
        continue;
      }
      const applied = applyEntry(fold, next.data);
      if (applied === undefined) continue;
      if (next.seq > options.afterSeq)
        yield* streamItems(applied, { ...options, isFirst: fold === undefined, seq: next.seq });
      fold = applied.fold;
      if (fold.status === 'ended') return;
    }
  } finally {
    reading.abort();
    await reader.stop();
  }
}

interface EntryPlace extends Pick<CommandEventsOptions, 'detail' | 'visibility'> {
  readonly isFirst: boolean;
  readonly seq: number;
}

interface NamedEvent {
  readonly name: string;
  /** The rest of the line after `{"event":…,"seq":…`. */
  readonly rest: () => Iterable<string>;
}

function* streamItems(applied: Applied, place: EntryPlace): Generator<StreamItem> {
  const events = [...namedEvents(applied, place)];
  for (const [i, { name, rest }] of events.entries()) {
    const id = i === events.length - 1 ? place.seq : undefined;
    const head = `{"event":${JSON.stringify(name)},"seq":${id ?? 'null'},`;
    yield { kind: 'event', name, pieces: concat(head, rest()), ...(id === undefined ? {} : { id }) };
  }
}

function* namedEvents({ fold, entry, step }: Applied, place: EntryPlace): Generator<NamedEvent> {
  const { isFirst, detail, visibility } = place;
  const command = (): string[] => [`"command":${JSON.stringify(commandJson(summaryOf(fold)))}}`];
  if (isFirst || step.signed || step.cancelled || entry.t === 'released') yield { name: 'command', rest: command };
  for (const { outcome, targets } of step.changes) {
    if (detail === 'none' || (detail === 'settled' && !isTerminal(outcome.state))) continue;
    for (let at = 0; at < targets.length; at += TARGETS_PER_EVENT) {
      const some = targets.slice(at, at + TARGETS_PER_EVENT);
      yield { name: 'targets', rest: () => targetPieces(fold, { outcome, targets: some }, visibility) };
    }
  }
  if (step.changes.length > 0) {
    yield { name: 'ledger', rest: () => [`"ledger":${JSON.stringify(commandLedgerJson(fold.ledger))}}`] };
  }
  if (step.ended) yield { name: 'ended', rest: command };
}

/** One piece for many targets: each piece costs the writer a turn of its own. */
function* targetPieces(
  fold: CommandFold,
  { outcome, targets }: FoldStep['changes'][number],
  visibility: EndpointVisibility,
): Generator<string> {
  const textOf = targetText(outcome, visibility);
  yield '"targets":[';
  for (let at = 0; at < targets.length; at += TARGETS_PER_PIECE) {
    const some = targets.slice(at, at + TARGETS_PER_PIECE);
    const texts = some.map((number) => textOf(number, fold.nums[number - 1] ?? 0));
    yield `${at === 0 ? '' : ','}${texts.join(',')}`;
  }
  yield ']}';
}

function* concat(head: string, rest: Iterable<string>): Generator<string> {
  yield head;
  yield* rest;
}
