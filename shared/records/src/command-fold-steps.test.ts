import { describe, expect, test } from '@jest/globals';
import { COMMAND_STATES, type CommandId, type CommandState, type OrgId } from '@muster/protocol';
import { CommandFold } from './command-fold.js';
import type { CancelEntry, CommandRecord, JournalEntry } from './command-journal.js';
import { encodeNumberSet } from './number-set.js';

const set = (...targets: number[]): Uint8Array => encodeNumberSet(targets);
const RECORD = {
  ...{ id: 'c1' as CommandId, org: 'acme' as OrgId, submittedAtMs: 1_000 },
  targets: { sets: [set(30, 31, 40)] },
} as unknown as CommandRecord;
const SIGNATURE = { jws: 'j', keys: 'k' };
const NOTHING = { signed: false, cancelled: false, ended: false, changes: [], late: [], notes: [] };
const CANCEL: CancelEntry = {
  ...{ t: 'cancel', atMs: 3_000, by: { id: 'p', name: 'Pat' } },
  ...{ code: 'cancelled', message: 'not needed' },
};

const states = (state: CommandState, targets: number[], atMs = 2_000, more: object = {}): JournalEntry => ({
  ...{ t: 'states', atMs },
  changes: [{ state, targets: set(...targets), code: 'code', message: 'message', ...more }],
});

/** Signed, and sent to these. */
function begun(sent: number[], released = 3): CommandFold {
  const fold = new CommandFold(RECORD);
  fold.apply({ t: 'submitted', atMs: 1_500, record: RECORD, signature: SIGNATURE, released, sent: set(...sent) });
  return fold;
}
const all = (fold: CommandFold): CommandState[] => [1, 2, 3].map((target) => fold.state(target));

describe('the steps of a command', () => {
  test('it is signed at once, or later; until then nothing changes but that it may be cancelled', () => {
    const fold = new CommandFold(RECORD);
    expect(fold.apply({ t: 'submitted', atMs: 1_500, record: RECORD })).toEqual(NOTHING);
    expect([fold.status, fold.signature, fold.changedAtMs, fold.released]).toEqual([
      'awaiting_approval',
      undefined,
      1_000,
      0,
    ]);
    expect(fold.apply({ t: 'released', atMs: 1_600, upTo: 3 })).toEqual(NOTHING);
    expect(fold.apply(states('accepted', [1]))).toEqual(NOTHING);
    expect([fold.released, fold.changedAtMs, all(fold)]).toEqual([0, 1_000, ['queued', 'queued', 'queued']]);
    const signed = fold.apply({ t: 'signed', atMs: 1_700, signature: SIGNATURE, released: 9, sent: set(2) });
    const outcome = { state: 'sent', code: '', message: '', atMs: 1_700 };
    expect(signed).toEqual({ ...NOTHING, signed: true, changes: [{ outcome, targets: [2] }] });
    expect([fold.status, fold.released, fold.changedAtMs, all(fold)]).toEqual([
      ...['running', 3, 1_700],
      ['queued', 'sent', 'queued'],
    ]);
    expect([1, 2].map((target) => fold.outcome(target))).toEqual([undefined, outcome]);
  });

  test('without a set of those that are sent, none is', () => {
    const fold = new CommandFold(RECORD);
    const step = fold.apply({ t: 'submitted', atMs: 1_500, record: RECORD, signature: SIGNATURE });
    expect([step, fold.released, all(fold)]).toEqual([{ ...NOTHING, signed: true }, 0, ['queued', 'queued', 'queued']]);
  });

  test('more targets are released while it runs, never fewer, and none after it was cancelled', () => {
    const fold = begun([1], 1);
    expect(fold.apply({ t: 'released', atMs: 2_000, upTo: 2 })).toEqual(NOTHING);
    expect([fold.released, fold.changedAtMs]).toEqual([2, 2_000]);
    fold.apply({ t: 'released', atMs: 2_100, upTo: 1 });
    fold.apply(CANCEL);
    fold.apply({ t: 'released', atMs: 4_000, upTo: 3 });
    expect([fold.released, fold.changedAtMs]).toEqual([2, 3_000]);
    fold.apply(states('succeeded', [1], 5_000));
    fold.apply({ t: 'released', atMs: 6_000, upTo: 3 });
    expect([fold.released, fold.status, fold.endedAtMs, fold.changedAtMs]).toEqual([2, 'ended', 5_000, 5_000]);
  });

  test('a queued target is sent once it is released, and not after a cancellation', () => {
    const fold = begun([1], 2);
    const step = fold.apply(states('sent', [2, 3]));
    expect(step.changes.map(({ targets }) => targets)).toEqual([[2]]);
    expect(fold.apply(states('sent', [3]))).toEqual(NOTHING);
    fold.apply(CANCEL);
    expect(all(fold)).toEqual(['sent', 'sent', 'cancelled']);
    expect(fold.apply(states('running', [3]))).toEqual(NOTHING);
    // What was sent before goes on.
    expect(fold.apply(states('running', [1, 2])).changes[0]?.targets).toEqual([1, 2]);
  });

  test('a cancellation settles what is queued, once, and says so', () => {
    const fold = begun([1]);
    const outcome = { state: 'cancelled', code: 'cancelled', message: 'not needed', atMs: 3_000 };
    expect(fold.apply(CANCEL)).toEqual({ ...NOTHING, cancelled: true, changes: [{ outcome, targets: [2, 3] }] });
    expect(fold.apply({ ...CANCEL, atMs: 4_000 })).toEqual(NOTHING);
    expect([fold.cancel, fold.changedAtMs, fold.outcome(3)]).toEqual([CANCEL, 3_000, outcome]);
    const ended = begun([1, 2, 3]);
    ended.apply(states('succeeded', [1, 2, 3]));
    expect([ended.apply(CANCEL), ended.cancel]).toEqual([NOTHING, undefined]);
  });

  test('it ends with its last target, once', () => {
    for (const open of ['queued', 'sent', 'accepted', 'running'] as const) {
      const fold = begun(open === 'queued' ? [1, 2] : [1, 2, 3]);
      if (open !== 'queued' && open !== 'sent') fold.apply(states(open, [3]));
      expect(fold.apply(states('succeeded', [1, 2], 2_500))).toMatchObject({ ended: false });
      expect([open, fold.state(3), fold.status]).toEqual([open, open, 'running']);
      const last = open === 'queued' ? fold.apply(CANCEL) : fold.apply(states('failed', [3], 3_000));
      expect([last.ended, fold.status, fold.endedAtMs]).toEqual([true, 'ended', 3_000]);
      expect(fold.apply(states('failed', [3], 9_000))).toMatchObject({ changes: [], ended: false });
      expect([fold.endedAtMs, fold.changedAtMs]).toEqual([3_000, 3_000]);
    }
  });
});

describe('the outcome of a target', () => {
  test('is that of the last change, with what was done', () => {
    const fold = begun([1, 2]);
    fold.apply(states('succeeded', [1], 2_000, { effects: ['killed 7'] }));
    fold.apply(states('failed', [2], 2_100));
    const told = { code: 'code', message: 'message' };
    expect(fold.outcome(1)).toEqual({ ...told, state: 'succeeded', atMs: 2_000, effects: ['killed 7'] });
    expect(fold.outcome(2)).toEqual({ ...told, state: 'failed', atMs: 2_100 });
    expect(Object.hasOwn(fold.outcome(2)!, 'effects')).toBe(false);
    expect([fold.outcome(3), [...fold.inState('succeeded', 'queued')], [...fold.inState('running')]]).toEqual([
      ...[undefined, [1, 3], []],
    ]);
  });

  test('another one that comes later is kept as late; the same again, and a step back, are not', () => {
    const fold = begun([1, 2]);
    fold.apply(states('succeeded', [1]));
    for (const state of ['succeeded', 'running', 'accepted', 'sent'] as const) {
      expect(fold.apply(states(state, [1], 4_000))).toEqual(NOTHING);
      expect([state, fold.late(1)]).toEqual([state, undefined]);
    }
    fold.apply(states('running', [2]));
    expect([fold.apply(states('accepted', [2], 4_000)), fold.late(2), fold.changedAtMs]).toEqual([
      NOTHING,
      undefined,
      2_000,
    ]);
    const late = { state: 'failed', code: 'code', message: 'message', atMs: 5_000 };
    expect(fold.apply(states('failed', [1], 5_000))).toEqual({
      ...NOTHING,
      late: [{ outcome: late, counts: 'succeeded', targets: [1] }],
    });
    expect(fold.apply(states('timed_out', [1], 6_000))).toEqual(NOTHING);
    expect([fold.late(1)?.state, fold.late(1)?.atMs, fold.state(1), fold.changedAtMs]).toEqual([
      ...['failed', 5_000, 'succeeded', 2_000],
    ]);
  });

  test('of one that stays open is why the endpoint did not take it; it moves nothing', () => {
    const fold = begun([1, 2]);
    fold.apply(states('accepted', [2]));
    const note = { code: 'ledger_unavailable', message: 'its disk is full' };
    const outcome = { ...note, state: 'sent', atMs: 3_000 };
    const step = fold.apply(states('sent', [1, 2], 3_000, note));
    expect(step).toEqual({ ...NOTHING, notes: [{ outcome, targets: [1, 2] }] });
    expect([fold.outcome(1), fold.outcome(2), fold.changedAtMs]).toEqual([
      ...[outcome, { ...outcome, state: 'accepted' }, 2_000],
    ]);
    fold.apply(states('running', [1, 2]));
    expect(fold.apply(states('sent', [1, 2], 4_000, note))).toEqual(NOTHING);
    expect(all(fold)).toEqual(['running', 'running', 'queued']);
  });

  test('is none where there is no such target', () => {
    const fold = begun([1, 2, 3]);
    for (const target of [4, 5, 1_000_000]) expect(fold.apply(states('succeeded', [target]))).toEqual(NOTHING);
    expect([fold.state(4), fold.outcome(4), fold.ledger.targeted]).toEqual(['queued', undefined, 3]);
    expect(fold.apply(states('succeeded', [3])).changes[0]?.targets).toEqual([3]);
    expect(Object.keys(fold.ledger)).toEqual(['targeted', ...COMMAND_STATES]);
  });
});
