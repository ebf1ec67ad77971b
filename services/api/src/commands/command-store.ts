import { readInTime, StreamError, type Entry, type StreamStore } from '@muster/bus';
import { endpointLabel, type Directory } from '@muster/directory';
import { AppError, isCommandId, selectorMatches, type CommandId, type OrgId } from '@muster/protocol';
import {
  CommandFold,
  decodeJournalEntry,
  STREAM_SUBJECTS,
  STREAMS,
  type CommandRecord,
  type FoldStep,
  type JournalEntry,
} from '@muster/records';
import type { Principal } from '../http/principal.js';

/** A command as its journal has it now. */
export interface FoldedCommand {
  readonly fold: CommandFold;
  /** The sequence of the newest entry. */
  readonly seq: number;
  /** The sequence of the entry with which the last target settled. */
  readonly endedSeq: number | undefined;
}

const BATCH = 32;
/** Viewers are many, and most of the time nothing is new for them. */
const STREAM_HEARTBEAT_MS = 2_500;

/** Reads commands from the journal. No service is asked, so that every API process gives the same answer. */
export class CommandStore {
  readonly #streams: StreamStore;
  readonly #directory: Pick<Directory, 'byNum'>;

  constructor({ streams, directory }: { readonly streams: StreamStore; readonly directory: Pick<Directory, 'byNum'> }) {
    this.#streams = streams;
    this.#directory = directory;
  }

  /** The command, if this principal may see it. Throws `not_found`, `broker_unavailable`. */
  async find(principal: Principal, id: string, signal?: AbortSignal): Promise<FoldedCommand> {
    const command = isCommandId(id) ? await this.read(principal.org, id, signal) : undefined;
    if (command === undefined || !maySee(principal, command.fold, this.#directory)) throw unknown(id);
    return command;
  }

  /**
   * Checks that the command exists and that this principal may follow it. Reads the whole journal only for a bounded principal.
   * Throws as {@link find} does.
   */
  async findJournal(
    principal: Principal,
    id: string,
    signal?: AbortSignal,
  ): Promise<Pick<CommandRecord, 'org' | 'id'>> {
    const { org, bound } = principal;
    if (bound.length > 0) return (await this.find(principal, id, signal)).fold.record;
    const newest = isCommandId(id)
      ? await this.#reading(() => this.#streams.last(STREAMS.commands.name, STREAM_SUBJECTS.command(org, id)))
      : undefined;
    if (newest === undefined) throw unknown(id);
    return { org, id: id as CommandId };
  }

  async read(org: OrgId, id: CommandId, signal?: AbortSignal): Promise<FoldedCommand | undefined> {
    let fold: CommandFold | undefined;
    let seq = 0;
    let endedSeq: number | undefined;
    await this.#reading(async () => {
      const subject = STREAM_SUBJECTS.command(org, id);
      const options = { subject, batch: BATCH, ...(signal === undefined ? {} : { signal }) };
      for await (const entry of readInTime(this.#streams, STREAMS.commands.name, options)) {
        fold = applyEntry(fold, entry.data)?.fold ?? fold;
        seq = entry.seq;
        if (fold?.status === 'ended') endedSeq ??= seq;
      }
    });
    return fold === undefined ? undefined : { fold, seq, endedSeq };
  }

  /** Its entries from the first one on, and new ones until the signal is aborted. */
  follow({ org, id }: Pick<CommandRecord, 'org' | 'id'>, signal: AbortSignal): AsyncIterable<Entry> {
    const subject = STREAM_SUBJECTS.command(org, id);
    const options = { subject, batch: BATCH, follow: true, signal, heartbeatMs: STREAM_HEARTBEAT_MS };
    return this.#streams.read(STREAMS.commands.name, options);
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (cause) {
      if (!(cause instanceof Error) || cause.name !== StreamError.name) throw cause;
      throw new AppError('broker_unavailable', 'commands cannot be read now; try again in a moment', { cause });
    }
  }
}

export interface Applied {
  readonly fold: CommandFold;
  readonly entry: JournalEntry;
  readonly step: FoldStep;
}

/** Applies one entry to the fold. `undefined` before the entry that makes the command. */
export function applyEntry(fold: CommandFold | undefined, data: Uint8Array): Applied | undefined {
  const entry = decodeJournalEntry(data);
  const made = fold ?? (entry.t === 'submitted' ? new CommandFold(withoutRows(entry.record)) : undefined);
  return made === undefined ? undefined : { fold: made, entry, step: made.apply(entry) };
}

/**
 * A bounded principal sees their own commands, and commands whose targets are all within the bound as it is now.
 * Other commands could reveal endpoints outside the bound.
 */
export function maySee(principal: Principal, fold: CommandFold, directory: Pick<Directory, 'byNum'>): boolean {
  const { bound, id } = principal;
  if (bound.length === 0 || fold.record.operator.id === id) return true;
  return fold.nums.every((num) => {
    const endpoint = directory.byNum(num);
    return endpoint !== undefined && selectorMatches(bound, endpointLabel(endpoint));
  });
}

function unknown(id: string): AppError {
  return new AppError('not_found', `there is no command ${id.slice(0, 64)}; commands are kept for 30 days`);
}

const NO_COLUMNS = {};

/** Without the columns of rows: no answer has them, and a fold stays in memory as long as its command is viewed. */
function withoutRows(record: CommandRecord): CommandRecord {
  if (!('rows' in record.targets)) return record;
  return { ...record, targets: { rows: record.targets.rows.map(([num]) => [num, NO_COLUMNS]) } };
}
