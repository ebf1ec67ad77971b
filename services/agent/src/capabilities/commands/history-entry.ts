import { TERMINAL_STATES, type CommandId, type TerminalState } from '@muster/protocol';
import { z } from 'zod';

/** A command, and one of its targets. One endpoint can be several targets of a command. */
export interface CommandKey {
  readonly id: CommandId;
  readonly number: number;
}

/** How a command ended on this endpoint. */
export interface Outcome {
  readonly state: TerminalState;
  readonly code: string;
  readonly message: string;
  readonly effects?: readonly string[];
}

/** What the history knows about one command. */
export interface CommandRecord extends CommandKey {
  /** Milliseconds since 1970. It is not delivered after that. */
  readonly expiresAtMs: number;
  /** The action's name; absent if only a cancel was received. */
  readonly action?: string;
  /** Absent: it has started and not ended. */
  readonly outcome?: Outcome;
  /** The gateway confirmed that the outcome is in the journal. */
  readonly kept: boolean;
}

const key = { id: z.string().min(1).max(64), number: z.number().int().positive() };

const entrySchema = z.discriminatedUnion('t', [
  z.object({ t: z.literal('started'), ...key, exp: z.number(), action: z.string() }),
  z.object({
    t: z.literal('outcome'),
    ...key,
    exp: z.number(),
    action: z.string().optional(),
    state: z.enum(TERMINAL_STATES),
    code: z.string(),
    message: z.string(),
    effects: z.array(z.string()).optional(),
  }),
  z.object({ t: z.literal('kept'), ...key }),
  z.object({ t: z.literal('forgotten'), exp: z.number() }),
]);

/**
 * One line of the history file. A command that was cancelled before it was received has an `outcome` without an action.
 *
 *     started ──▶ outcome ──▶ kept ──▶ (forgotten, a day after its expiry)
 *                 outcome: also alone, for commands that were refused or never started
 */
export type HistoryEntry = z.output<typeof entrySchema>;
/** An entry about one command. The other kind says up to which expiry commands were forgotten. */
export type CommandEntry = Exclude<HistoryEntry, { t: 'forgotten' }>;

/** The entry of a line, or `undefined` when the line is not valid. */
export function readEntry(line: string): HistoryEntry | undefined {
  try {
    return entrySchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

export function startedEntry({ id, number, expiresAtMs, action = '' }: CommandRecord): CommandEntry {
  return { t: 'started', id, number, exp: expiresAtMs, action };
}

export function outcomeEntry({ id, number, expiresAtMs, action }: CommandRecord, outcome: Outcome): CommandEntry {
  const { state, code, message, effects } = outcome;
  return {
    t: 'outcome',
    id,
    number,
    exp: expiresAtMs,
    ...(action !== undefined && { action }),
    state,
    code,
    message,
    ...(effects !== undefined && { effects: [...effects] }),
  };
}

/** The smallest list of entries that gives this record. */
export function entriesOf(record: CommandRecord): CommandEntry[] {
  const { id, number, outcome, kept } = record;
  if (outcome === undefined) return [startedEntry(record)];
  return [outcomeEntry(record, outcome), ...(kept ? [{ t: 'kept', id, number } as const] : [])];
}

/** Applies the next entry to a record. An entry that cannot follow changes nothing. */
export function applyEntry(record: CommandRecord | undefined, entry: CommandEntry): CommandRecord | undefined {
  switch (entry.t) {
    case 'started': {
      const { id, number, exp, action } = entry;
      return record ?? { id: id as CommandId, number, expiresAtMs: exp, action, kept: false };
    }
    case 'outcome': {
      if (record?.outcome !== undefined) return record;
      const { id, number, exp, action, state, code, message, effects } = entry;
      return {
        id: id as CommandId,
        number,
        expiresAtMs: exp,
        ...(action !== undefined && { action }),
        outcome: { state, code, message, ...(effects !== undefined && { effects }) },
        kept: false,
      };
    }
    case 'kept':
      return record?.outcome === undefined ? record : { ...record, kept: true };
  }
}

/** The key as one string. */
export function keyText({ id, number }: { readonly id: string; readonly number: number }): string {
  return `${id} ${number}`;
}
