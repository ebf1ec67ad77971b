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
  /** By the clock of who signed it; of a cancel alone, when the command's id was made. Earlier versions kept none. */
  readonly signedAtMs?: number | undefined;
  /** The action's name; absent if only a cancel was received. */
  readonly action?: string | undefined;
  /** Absent: it has started and not ended. */
  readonly outcome?: Outcome;
  /** The gateway confirmed that the outcome is in the journal. */
  readonly kept: boolean;
}

const key = { id: z.string().min(1).max(64), number: z.number().int().positive() };
const times = { exp: z.number(), iat: z.number().optional() };

const entrySchema = z.discriminatedUnion('t', [
  z.object({ t: z.literal('started'), ...key, ...times, action: z.string() }),
  z.object({
    t: z.literal('outcome'),
    ...key,
    ...times,
    action: z.string().optional(),
    state: z.enum(TERMINAL_STATES),
    code: z.string(),
    message: z.string(),
    effects: z.array(z.string()).optional(),
  }),
  z.object({ t: z.literal('kept'), ...key }),
  // Earlier versions kept the expiry alone, which is later than the signature.
  z.object({ t: z.literal('forgotten'), iat: z.number().optional(), exp: z.number().optional() }),
  z.object({ t: z.literal('lost'), iat: z.number().nullable() }),
]);

/**
 * One line of the history file. A command that was cancelled before it was received has an `outcome` without an action.
 *
 *     started ──▶ outcome ──▶ kept ──▶ (forgotten, when nothing that was signed with it can be delivered any more)
 *                 outcome: also alone, for commands that were refused or never started
 */
export type HistoryEntry = z.output<typeof entrySchema>;
/**
 * An entry about one command. The others say up to which signature commands were forgotten, and up to which one records
 * of them may be lost: null until the next session tells the time.
 */
export type CommandEntry = Exclude<HistoryEntry, { t: 'forgotten' | 'lost' }>;

/** The entry of a line, or `undefined` when it is none. */
export function readEntry(line: unknown): HistoryEntry | undefined {
  return entrySchema.safeParse(line).data;
}

export function startedEntry({ id, number, expiresAtMs, signedAtMs, action = '' }: CommandRecord): CommandEntry {
  return { t: 'started', id, number, exp: expiresAtMs, iat: signedAtMs, action };
}

export function outcomeEntry(record: CommandRecord, outcome: Outcome): CommandEntry {
  const { id, number, expiresAtMs, signedAtMs, action } = record;
  const { state, code, message, effects } = outcome;
  return {
    t: 'outcome',
    id,
    number,
    exp: expiresAtMs,
    iat: signedAtMs,
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
      const { id, number, exp, iat, action } = entry;
      return record ?? { id: id as CommandId, number, expiresAtMs: exp, signedAtMs: iat, action, kept: false };
    }
    case 'outcome': {
      if (record?.outcome !== undefined) return record;
      const { id, number, exp, iat, action, state, code, message, effects } = entry;
      return {
        id: id as CommandId,
        number,
        expiresAtMs: exp,
        signedAtMs: iat,
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
