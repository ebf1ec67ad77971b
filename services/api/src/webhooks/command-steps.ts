import type { Entry, StreamStore } from '@muster/bus';
import type { CommandId } from '@muster/protocol';
import { parseCommandSubject, STREAMS, type CommandFold, type FoldStep } from '@muster/records';
import { LRUCache } from 'lru-cache';
import { applyEntry } from '../commands/command-store.js';

/** Folds of commands are as large as their targets are many. */
const MAX_FOLDS = 50;

/** What each entry of the journal changes: entries of a command are folded in their sequence. */
export class CommandSteps {
  readonly #streams: StreamStore;
  readonly #folds = new LRUCache<CommandId, { fold: CommandFold }>({ max: MAX_FOLDS });

  constructor(streams: StreamStore) {
    this.#streams = streams;
  }

  /** Undefined for an entry that belongs to no command. @throws StreamError */
  async take(entry: Entry): Promise<{ readonly fold: CommandFold; readonly step: FoldStep } | undefined> {
    const id = parseCommandSubject(entry.subject)?.id;
    if (id === undefined) return undefined;
    const known = this.#folds.get(id)?.fold ?? (await this.#before(entry));
    const applied = applyEntry(known, entry.data);
    if (applied === undefined) return undefined;
    if (applied.fold.status === 'ended') this.#folds.delete(id);
    else this.#folds.set(id, { fold: applied.fold });
    return applied;
  }

  async #before(entry: Entry): Promise<CommandFold | undefined> {
    let fold: CommandFold | undefined;
    for await (const earlier of this.#streams.read(STREAMS.commands.name, { subject: entry.subject })) {
      if (earlier.seq >= entry.seq) break;
      fold = applyEntry(fold, earlier.data)?.fold;
    }
    return fold;
  }
}
