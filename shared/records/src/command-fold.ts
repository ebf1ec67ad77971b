import { decodeNumberSet } from './number-set.js';
import {
  targetNums,
  type CancelEntry,
  type CommandRecord,
  type JournalEntry,
  type Signature,
  type StateChange,
} from './command-journal.js';
import { COMMAND_STATES, isTerminal, canTransition, type CommandLedger, type CommandState } from '@muster/protocol';

/**
 *     awaiting_approval ──signed──▶ running ──every target settled──▶ ended
 *            └───────────cancel───────────────────────────────────────▲
 */
export type CommandStatus = 'awaiting_approval' | 'running' | 'ended';

/** Where a target stands and why. One object is shared by all targets with the same outcome. */
export interface TargetOutcome {
  readonly state: CommandState;
  readonly code: string;
  readonly message: string;
  readonly effects?: readonly string[];
  readonly atMs: number;
}

export interface FoldChange {
  readonly outcome: TargetOutcome;
  readonly targets: readonly number[];
}

/** What one entry changed. Targets that it could not change (a repeated outcome, a step back) are left out. */
export interface FoldStep {
  readonly signed: boolean;
  readonly cancelled: boolean;
  readonly ended: boolean;
  readonly changes: readonly FoldChange[];
  /** Other outcomes of targets that had settled, with the states that count. Only the first one of a target is kept. */
  readonly late: readonly (FoldChange & { readonly counts: CommandState })[];
  /** Why targets that stay open were not taken. */
  readonly notes: readonly FoldChange[];
}

const CODES = new Map(COMMAND_STATES.map((state, code) => [state, code]));
const NOTHING: FoldStep = { signed: false, cancelled: false, ended: false, changes: [], late: [], notes: [] };

/**
 * The state of one command, made from its journal entries in their order. It is deterministic: the same entries give the same state in
 * every process. Duplicate and late entries change nothing. Of two outcomes of one target, the first one in the journal counts.
 */
export class CommandFold {
  readonly record: CommandRecord;
  /** Agent numbers, by target number - 1. */
  readonly nums: readonly number[];
  signature: Signature | undefined;
  cancel: CancelEntry | undefined;
  /** Targets up to this number may be delivered. */
  released = 0;
  endedAtMs: number | undefined;
  changedAtMs: number;
  /** State codes, by target number - 1. */
  readonly #states: Uint8Array;
  readonly #outcomes: (TargetOutcome | undefined)[];
  readonly #counts = new Uint32Array(COMMAND_STATES.length);
  /** Outcomes that targets reported after they had settled. They show what really happened, but do not count. */
  readonly #late = new Map<number, TargetOutcome>();

  /** Starts from the record of a `submitted` entry; the caller then applies that entry too. */
  constructor(record: CommandRecord) {
    this.record = record;
    this.nums = targetNums(record.targets);
    this.changedAtMs = record.submittedAtMs;
    this.#states = new Uint8Array(this.nums.length);
    this.#outcomes = Array.from<TargetOutcome | undefined>({ length: this.nums.length });
    this.#counts[0] = this.nums.length;
  }

  get status(): CommandStatus {
    if (this.endedAtMs !== undefined) return 'ended';
    return this.signature === undefined ? 'awaiting_approval' : 'running';
  }

  get ledger(): CommandLedger {
    const counts = Object.fromEntries(COMMAND_STATES.map((state, i) => [state, this.#counts[i] ?? 0]));
    return { targeted: this.nums.length, ...counts } as CommandLedger;
  }

  state(target: number): CommandState {
    return COMMAND_STATES[this.#states[target - 1] ?? 0] ?? 'queued';
  }

  /** The reason for its state; `undefined` while it is queued, or was sent from the start. */
  outcome(target: number): TargetOutcome | undefined {
    return this.#outcomes[target - 1];
  }

  late(target: number): TargetOutcome | undefined {
    return this.#late.get(target);
  }

  /** Target numbers in a state. */
  *inState(...states: readonly CommandState[]): Generator<number> {
    const codes = new Set(states.map((state) => CODES.get(state)));
    for (let i = 0; i < this.#states.length; i += 1) if (codes.has(this.#states[i])) yield i + 1;
  }

  apply(entry: JournalEntry): FoldStep {
    switch (entry.t) {
      case 'submitted':
        return entry.signature === undefined ? NOTHING : this.#sign(entry.signature, entry);
      case 'signed':
        return this.#sign(entry.signature, entry);
      case 'released':
        if (this.status !== 'running' || this.cancel !== undefined) return NOTHING;
        this.released = Math.max(this.released, Math.min(entry.upTo, this.nums.length));
        this.changedAtMs = entry.atMs;
        return NOTHING;
      case 'states':
        return this.#change(entry.changes, entry.atMs);
      case 'cancel':
        return this.#cancel(entry);
    }
  }

  #sign(signature: Signature, { atMs, released = 0, sent }: { atMs: number; released?: number; sent?: Uint8Array }) {
    if (this.status !== 'awaiting_approval') return NOTHING;
    this.signature = signature;
    this.released = Math.min(released, this.nums.length);
    this.changedAtMs = atMs;
    const changes = sent === undefined ? [] : [{ state: 'sent', targets: sent, code: '', message: '' } as const];
    return { ...this.#change(changes, atMs), signed: true };
  }

  #cancel(entry: CancelEntry): FoldStep {
    if (this.cancel !== undefined || this.status === 'ended') return NOTHING;
    this.cancel = entry;
    const outcome: TargetOutcome = { state: 'cancelled', code: entry.code, message: entry.message, atMs: entry.atMs };
    const targets = [...this.inState('queued')];
    for (const target of targets) this.#set(target, outcome);
    this.changedAtMs = entry.atMs;
    return { ...NOTHING, cancelled: true, ended: this.#end(entry.atMs), changes: [{ outcome, targets }] };
  }

  #change(changes: readonly StateChange[], atMs: number): FoldStep {
    const [applied, notes] = [[] as Group[], [] as Group[]];
    const late: (Group & { readonly counts: CommandState })[] = [];
    for (const { targets, state, code, message, effects } of changes) {
      const outcome: TargetOutcome = { state, code, message, atMs, ...(effects === undefined ? {} : { effects }) };
      for (const target of decodeNumberSet(targets)) {
        const from = this.state(target);
        const moved = this.#move(target, outcome);
        const isSame = (other: Group): boolean => other.outcome === outcome;
        if (moved === 'changed') group(applied, target, { outcome }, isSame);
        else if (moved === 'noted') group(notes, target, { outcome }, isSame);
        else if (moved === 'late') {
          group(late, target, { outcome, counts: from }, (other) => isSame(other) && other.counts === from);
        }
      }
    }
    if (applied.length > 0) this.changedAtMs = atMs;
    return { ...NOTHING, ended: this.#end(atMs), changes: applied, late, notes };
  }

  #move(target: number, outcome: TargetOutcome): 'changed' | 'late' | 'noted' | undefined {
    if (target < 1 || target > this.nums.length || this.status === 'awaiting_approval') return undefined;
    const from = this.state(target);
    if (from === 'queued' && outcome.state === 'sent' && (target > this.released || this.cancel !== undefined)) {
      return undefined;
    }
    if (canTransition(from, outcome.state)) {
      this.#set(target, outcome);
      return 'changed';
    }
    if (outcome.state === 'sent' && outcome.code !== '' && (from === 'sent' || from === 'accepted')) {
      this.#outcomes[target - 1] = { ...outcome, state: from };
      return 'noted';
    }
    const isLate = isTerminal(from) && isTerminal(outcome.state) && from !== outcome.state && !this.#late.has(target);
    if (isLate) this.#late.set(target, outcome);
    return isLate ? 'late' : undefined;
  }

  #set(target: number, outcome: TargetOutcome): void {
    const from = this.#states[target - 1] ?? 0;
    const to = CODES.get(outcome.state) ?? 0;
    this.#counts[from] = (this.#counts[from] ?? 0) - 1;
    this.#counts[to] = (this.#counts[to] ?? 0) + 1;
    this.#states[target - 1] = to;
    this.#outcomes[target - 1] = outcome;
  }

  /** True once: when the last target settles. */
  #end(atMs: number): boolean {
    if (this.endedAtMs !== undefined) return false;
    const open = (this.#counts[0] ?? 0) + (this.#counts[1] ?? 0) + (this.#counts[2] ?? 0) + (this.#counts[3] ?? 0);
    if (open > 0) return false;
    this.endedAtMs = atMs;
    return true;
  }
}

interface Group {
  readonly outcome: TargetOutcome;
  readonly targets: number[];
}

/** Targets with the same outcome are one change. */
function group<T extends Group>(
  groups: T[],
  target: number,
  like: Omit<T, 'targets'>,
  isLike: (other: T) => boolean,
): void {
  const known = groups.findLast(isLike);
  if (known === undefined) groups.push({ ...like, targets: [target] } as unknown as T);
  else known.targets.push(target);
}
