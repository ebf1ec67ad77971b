import { describe, expect, test } from '@jest/globals';
import {
  COMMAND_STATES,
  type CommandId,
  type OrgId,
  TERMINAL_STATES,
  commandLedgerBalances,
  isTerminal,
  canTransition,
} from '@muster/protocol';
import { encodeNumberSet } from './number-set.js';
import { CommandFold } from './command-fold.js';
import {
  type CommandRecord,
  type JournalEntry,
  type SubmittedEntry,
  decodeJournalEntry,
  encodeJournalEntry,
} from './command-journal.js';

const RECORD: CommandRecord = {
  id: 'c1' as CommandId,
  org: 'acme' as OrgId,
  action: 'process.kill',
  params: { name: 'abc.exe' },
  dryRun: false,
  target: 'os=linux',
  targets: { sets: [encodeNumberSet([30, 31, 40]), encodeNumberSet([7, 9])] },
  operator: { id: 'o', name: 'Ann', role: 'responder' },
  submittedAtMs: 1_000,
  expiresAtMs: 100_000,
  timeoutMs: 60_000,
};
const SIGNATURE = { jws: 'j', keys: 'k' };
const set = (...targets: number[]): Uint8Array => encodeNumberSet(targets);

function begin(
  extra: Partial<SubmittedEntry> = { signature: SIGNATURE, released: 5, sent: set(1, 2, 3) },
): CommandFold {
  const fold = new CommandFold(RECORD);
  fold.apply({ t: 'submitted', atMs: 1_000, record: RECORD, ...extra });
  return fold;
}
const states = (state: (typeof COMMAND_STATES)[number], ...targets: number[]): JournalEntry => ({
  t: 'states',
  atMs: 2_000,
  changes: [{ state, targets: set(...targets), code: state, message: '' }],
});
const cancel = {
  t: 'cancel',
  atMs: 3_000,
  by: { id: 'p', name: 'Pat' },
  code: 'cancelled',
  message: 'not needed',
} as const;

describe('the state of a command', () => {
  test('numbers targets through its sets, connected ones first', () => {
    expect(begin().nums).toEqual([30, 31, 40, 7, 9]);
    const rows = {
      rows: [
        [5, { pid: 1 }],
        [5, { pid: 2 }],
      ],
    } as const;
    expect(new CommandFold({ ...RECORD, targets: rows }).nums).toEqual([5, 5]);
  });

  test('starts with some targets sent and the others queued', () => {
    const fold = begin();
    expect(fold.status).toBe('running');
    expect(fold.ledger).toMatchObject({ targeted: 5, sent: 3, queued: 2 });
  });

  test('of two outcomes the first in the journal counts, the other is recorded as late', () => {
    const fold = begin();
    fold.apply(states('succeeded', 1));
    expect(fold.apply(states('failed', 1)).changes).toEqual([]);
    expect(fold.state(1)).toBe('succeeded');
    expect(fold.late(1)?.state).toBe('failed');
  });

  test('cancelling settles exactly the targets that were never sent', () => {
    const fold = begin();
    const step = fold.apply(cancel);
    expect(step.cancelled).toBe(true);
    expect(step.changes).toMatchObject([{ targets: [4, 5] }]);
    expect(fold.ledger).toMatchObject({ sent: 3, cancelled: 2 });
    // A `sent` entry of another service that did not know of the cancellation has no effect.
    expect(fold.apply(states('sent', 4)).changes).toEqual([]);
    expect(fold.apply(cancel)).toMatchObject({ cancelled: false, changes: [] });
    expect(fold.apply(states('succeeded', 1, 2, 3)).ended).toBe(true);
    expect(fold.status).toBe('ended');
  });

  test('a target that a rollout has not released is never sent', () => {
    const fold = begin({ signature: SIGNATURE, released: 1, sent: set(1, 2) });
    expect(fold.ledger).toMatchObject({ sent: 1, queued: 4 });
    fold.apply({ t: 'released', atMs: 2_000, upTo: 3 });
    fold.apply({ t: 'released', atMs: 2_001, upTo: 2 });
    expect(fold.released).toBe(3);
    expect(fold.apply(states('sent', 2, 3, 4)).changes).toMatchObject([{ targets: [2, 3] }]);
  });

  test('no state changes before the signature, and only one signature counts', () => {
    const fold = begin({});
    expect(fold.status).toBe('awaiting_approval');
    expect(fold.apply(states('sent', 1)).changes).toEqual([]);
    expect(fold.apply(states('succeeded', 1)).changes).toEqual([]);
    const signed = (name: string) =>
      ({
        t: 'signed',
        atMs: 2_000,
        signature: { ...SIGNATURE, approver: { id: name, name } },
        released: 5,
        sent: set(1),
      }) as const;
    expect(fold.apply(signed('bob')).signed).toBe(true);
    expect(fold.apply(signed('eve')).signed).toBe(false);
    expect(fold.signature?.approver?.name).toBe('bob');
    const rejected = begin({});
    expect(rejected.apply(cancel).ended).toBe(true);
    expect(rejected.apply(signed('bob')).signed).toBe(false);
    expect(rejected.ledger).toMatchObject({ targeted: 5, cancelled: 5 });
  });

  test('numbers that are no targets change nothing', () => {
    const fold = begin();
    expect(fold.apply(states('succeeded', 6, 1_000_000)).changes).toEqual([]);
    expect(commandLedgerBalances(fold.ledger)).toBe(true);
  });

  test('any entries in any order: it balances, ranks only rise, settled targets stay, and every copy agrees', () => {
    let seed = 1;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const anyEntry = (): JournalEntry => {
      const kind = random(12);
      if (kind === 0) return cancel;
      if (kind === 1) return { t: 'released', atMs: 5_000, upTo: random(7) };
      if (kind === 2)
        return { t: 'signed', atMs: 5_000, signature: SIGNATURE, released: random(6), sent: set(random(5) + 1) };
      const state = COMMAND_STATES[random(COMMAND_STATES.length)] ?? 'sent';
      return states(state, random(7), random(7));
    };
    for (let round = 0; round < 500; round += 1) {
      const first = random(2) === 0 ? {} : { signature: SIGNATURE, released: random(6), sent: set(1, 2) };
      const entries = Array.from({ length: 40 }, anyEntry);
      const [one, other] = [begin(first), begin(first)];
      for (const entry of entries) {
        const before = [1, 2, 3, 4, 5].map((target) => one.state(target));
        const ended = one.endedAtMs;
        one.apply(entry);
        // As read from the stream, and applied twice.
        other.apply(decodeJournalEntry(encodeJournalEntry(entry)));
        other.apply(entry);
        const after = [1, 2, 3, 4, 5].map((target) => one.state(target));
        after.forEach((state, i) => {
          const from = before[i] ?? 'queued';
          if (state !== from) expect(canTransition(from, state)).toBe(true);
        });
        expect(commandLedgerBalances(one.ledger)).toBe(true);
        if (ended !== undefined) expect([one.endedAtMs, after]).toEqual([ended, before]);
        expect([1, 2, 3, 4, 5].map((target) => other.state(target))).toEqual(after);
      }
      expect(one.status === 'ended').toBe([1, 2, 3, 4, 5].every((target) => isTerminal(one.state(target))));
    }
  });

  test('what was never sent can only be cancelled or expire', () => {
    expect(TERMINAL_STATES.filter((state) => canTransition('queued', state))).toEqual(['cancelled', 'expired']);
  });
});
