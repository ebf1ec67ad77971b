import type { Entry, StreamStore } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { summaryOf } from '@muster/messages';
import { AppError, type CommandId } from '@muster/protocol';
import { parseCommandSubject, STREAM_SUBJECTS, STREAMS, type CommandFold } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { LRUCache } from 'lru-cache';
import { newestOf } from '../http/newest.js';
import type { Principal } from '../http/principal.js';
import { TimedReader } from '../http/timed-reader.js';
import type { StreamItem } from '../http/viewers.js';
import { commandJson } from './command-json.js';
import { applyEntry, maySee, type Applied } from './command-store.js';

export interface OrgCommandsParts {
  readonly streams: StreamStore;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly clock: Clock;
}

export interface OrgCommandsOptions {
  readonly principal: Principal;
  /** The last event that the viewer has seen; `undefined`: only what comes from now on. */
  readonly after: number | undefined;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

const BATCH = 20;
const STREAM_HEARTBEAT_MS = 2_500;
/** Folds are as large as their targets are many. One that is not kept is made again from the journal. */
const MAX_FOLDS = 50;

/**
 * Commands of an org, until the viewer goes: each with the entries that make, sign, release or cancel it, and with the one that ends it.
 * What becomes of single targets is in the events of the command itself.
 */
export async function* orgCommands(
  { streams, directory, clock }: OrgCommandsParts,
  { principal, after, signal, heartbeatMs }: OrgCommandsOptions,
): AsyncGenerator<StreamItem> {
  const afterSeq = await newestOf(streams, STREAMS.commands.name, after);
  yield { kind: 'event', name: 'began', id: afterSeq, pieces: [JSON.stringify({ event: 'began', seq: afterSeq })] };
  const reading = new AbortController();
  const entries = streams.read(STREAMS.commands.name, {
    subject: STREAM_SUBJECTS.orgCommands(principal.org),
    ...{ fromSeq: afterSeq + 1, follow: true, batch: BATCH, heartbeatMs: STREAM_HEARTBEAT_MS },
    signal: AbortSignal.any([signal, reading.signal]),
  });
  const reader = new TimedReader(entries, clock);
  const folds = new Folds(streams);
  try {
    for (;;) {
      const next = await reader.next(heartbeatMs);
      if (signal.aborted) return;
      if (next === 'ended' || next === 'lost')
        throw new AppError('broker_unavailable', 'the journal broke off; connect again');
      const applied = next === 'timeout' ? undefined : await folds.apply(next);
      if (next === 'timeout') yield { kind: 'idle' };
      if (next === 'timeout' || applied === undefined || !isTold(applied)) continue;
      if (!maySee(principal, applied.fold, directory)) continue;
      const event = { event: 'command', seq: next.seq, command: commandJson(summaryOf(applied.fold)) };
      yield { kind: 'event', name: 'command', id: next.seq, pieces: [JSON.stringify(event)] };
    }
  } finally {
    reading.abort();
    await reader.stop();
  }
}

function isTold({ entry, step }: Applied): boolean {
  return entry.t === 'submitted' || entry.t === 'released' || step.signed || step.cancelled || step.ended;
}

/** The commands that entries belong to, as they are after each. */
class Folds {
  readonly #streams: StreamStore;
  readonly #kept = new LRUCache<CommandId, { readonly fold: CommandFold }>({ max: MAX_FOLDS });

  constructor(streams: StreamStore) {
    this.#streams = streams;
  }

  async apply(entry: Entry): Promise<Applied | undefined> {
    const id = parseCommandSubject(entry.subject)?.id;
    if (id === undefined) return undefined;
    const fold = this.#kept.get(id)?.fold ?? (await this.#before(entry));
    const applied = applyEntry(fold, entry.data);
    if (applied === undefined) return undefined;
    if (applied.fold.status === 'ended') this.#kept.delete(id);
    else this.#kept.set(id, { fold: applied.fold });
    return applied;
  }

  async #before(entry: Entry): Promise<CommandFold | undefined> {
    let fold: CommandFold | undefined;
    for await (const earlier of this.#streams.read(STREAMS.commands.name, { subject: entry.subject })) {
      if (earlier.seq >= entry.seq) break;
      fold = applyEntry(fold, earlier.data)?.fold ?? fold;
    }
    return fold;
  }
}
