import type { StreamStore } from '@muster/bus';
import type { CommandId, OrgId } from '@muster/protocol';
import {
  CommandFold,
  decodeJournalEntry,
  parseCommandSubject,
  STREAM_SUBJECTS,
  STREAMS,
  type CommandRecord,
  type FoldStep,
  type JournalEntry,
} from '@muster/records';

/** A journal entry, and what it did to its command. */
export interface JournalEvent {
  readonly seq: number;
  readonly data: Uint8Array;
  readonly entry: JournalEntry;
  readonly step: FoldStep;
  /** The command after the entry. */
  readonly fold: CommandFold;
}

export interface ReplayOptions {
  readonly streams: StreamStore;
  readonly org: OrgId;
  readonly fromSeq: number;
  /** The last sequence that is wanted. */
  readonly toSeq?: number;
  /** Only this command. */
  readonly id?: CommandId;
  /** Whether a command is void, because an earlier one has the same request key. Asked once for each, in the order of the journal. */
  readonly isVoid: (record: CommandRecord) => boolean;
  readonly signal?: AbortSignal;
}

/**
 * Reads the journal of an org again: each entry with what it changed. Commands that began before `fromSeq` are read from their beginning.
 * @throws StreamError
 */
export async function* replayJournal(options: ReplayOptions): AsyncGenerator<JournalEvent> {
  const { streams, org, fromSeq, toSeq = Number.POSITIVE_INFINITY, id, signal } = options;
  const subject = id === undefined ? STREAM_SUBJECTS.orgCommands(org) : STREAM_SUBJECTS.command(org, id);
  const open = new Map<CommandId, CommandFold>();
  const read = { subject, fromSeq, ...(signal === undefined ? {} : { signal }) };
  for await (const { seq, data, subject: of } of streams.read(STREAMS.commands.name, read)) {
    if (seq > toSeq) return;
    const command = parseCommandSubject(of)?.id;
    const entry = decoded(data);
    if (command === undefined || entry === undefined) continue;
    const fold = open.get(command) ?? (await begin(options, command, { seq, entry }));
    if (fold === undefined) continue;
    const step = fold.apply(entry);
    if (fold.status === 'ended') open.delete(command);
    else open.set(command, fold);
    yield { seq, data, entry, step, fold };
  }
}

/** The command as it was before the entry; `undefined` when there is none, or it is void. */
async function begin(
  { streams, org, isVoid }: ReplayOptions,
  id: CommandId,
  at: { readonly seq: number; readonly entry: JournalEntry },
): Promise<CommandFold | undefined> {
  if (at.entry.t === 'submitted') {
    const { record } = at.entry;
    return record.org === org && record.id === id && !isVoid(record) ? new CommandFold(record) : undefined;
  }
  let fold: CommandFold | undefined;
  const subject = STREAM_SUBJECTS.command(org, id);
  for await (const { seq, data } of streams.read(STREAMS.commands.name, { subject })) {
    if (seq >= at.seq) break;
    const entry = decoded(data);
    if (entry?.t === 'submitted') fold ??= await begin({ streams, org, fromSeq: 1, isVoid }, id, { seq, entry });
    if (entry !== undefined) fold?.apply(entry);
  }
  return fold;
}

/** One unreadable entry must not hide those after it. */
function decoded(data: Uint8Array): JournalEntry | undefined {
  try {
    return decodeJournalEntry(data.slice());
  } catch {
    return undefined;
  }
}
