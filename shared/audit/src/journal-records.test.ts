import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { CommandId, CommandState, OrgId } from '@muster/protocol';
import {
  CommandFold,
  encodeJournalEntry,
  encodeNumberSet,
  type CommandRecord,
  type JournalEntry,
} from '@muster/records';
import { entryRecord, type EntryRecord } from './journal-records.js';

const ORG = 'acme' as OrgId;
const ID = 'c1' as CommandId;
const RECORD = {
  ...{ id: ID, org: ORG, action: 'dns.flush', params: { a: 1 }, dryRun: false, target: 'os=linux', reason: 'ticket 7' },
  ...{ targets: { sets: [encodeNumberSet([7, 8, 9])] }, operator: { id: 'p1', name: 'Ann', role: 'admin' } },
  ...{ submittedAtMs: 5, expiresAtMs: 100, timeoutMs: 1 },
} as unknown as CommandRecord;
const SIGNATURE = { jws: 'j', keys: 'k' };
const SUBMITTED: JournalEntry = {
  ...{ t: 'submitted', atMs: 5, record: RECORD, signature: SIGNATURE, released: 3, sent: encodeNumberSet([1, 2]) },
  asked: { from: '10.0.0.1', scope: 'os=linux', person: 'ann' },
};
const states = (state: CommandState, targets: number[], code = ''): JournalEntry => ({
  ...{ t: 'states', atMs: 6 },
  changes: [{ state, targets: encodeNumberSet(targets), code, message: `${targets.join()} said so` }],
});

/** The records of these entries, one after another. */
function recordsOf(...entries: readonly JournalEntry[]): (EntryRecord | undefined)[] {
  const fold = new CommandFold(RECORD);
  return entries.map((entry, i) => {
    const data = encodeJournalEntry(entry);
    return entryRecord({ seq: 10 + i, data, entry, step: fold.apply(entry), fold });
  });
}
const lastOf = (...entries: readonly JournalEntry[]): EntryRecord | undefined => recordsOf(...entries).at(-1);
const changes = (...entries: readonly JournalEntry[]): unknown => lastOf(...entries)?.details?.['changes'];

describe('the audit record of a journal entry', () => {
  test('says who asked for what, from where, when, and names the entry by sequence and hash', () => {
    const journal = createHash('sha256').update(encodeJournalEntry(SUBMITTED)).digest('hex');
    expect(lastOf(SUBMITTED)).toEqual({
      ...{ atMs: 5, org: ORG, actor: 'p1', actorName: 'Ann', action: 'command.submit', outcome: 'allowed' },
      ...{ from: '10.0.0.1', subject: ID, scope: 'os=linux' },
      details: {
        ...{ journal, seq: 10, action: 'dns.flush', params: { a: 1 }, dryRun: false, reason: 'ticket 7' },
        ...{ person: 'ann', status: 'running', targets: 3 },
      },
    });
  });

  test('of an approval or a cancellation names its person, and is made only of the one that counts', () => {
    const unsigned: JournalEntry = { t: 'submitted', atMs: 5, record: RECORD };
    const approver = { id: 'p2', name: 'Bob' };
    const signed: JournalEntry = {
      ...{ t: 'signed', atMs: 6, signature: { ...SIGNATURE, approver }, released: 3, sent: encodeNumberSet([1]) },
      asked: { from: '10.0.0.2' },
    };
    const cancel: JournalEntry = {
      t: 'cancel',
      atMs: 7,
      by: { id: 'p1', name: 'Ann' },
      code: 'cancelled',
      message: 'no',
    };
    const [, approved, again, cancelled, twice] = recordsOf(unsigned, signed, signed, cancel, cancel);
    expect(approved).toMatchObject({ action: 'command.approve', actor: 'p2', actorName: 'Bob', from: '10.0.0.2' });
    expect(cancelled).toMatchObject({
      ...{ action: 'command.cancel', actor: 'p1', details: { reason: 'no', cancelled: 2, status: 'running' } },
    });
    expect([again, twice]).toEqual([undefined, undefined]);
  });

  test('of what the service decides itself is an outcome', () => {
    const by = { id: 'muster', name: 'Muster' };
    const expired: JournalEntry = { t: 'cancel', atMs: 7, by, code: 'not_approved', message: 'nobody approved it' };
    expect(lastOf({ t: 'submitted', atMs: 5, record: RECORD }, expired)).toMatchObject({
      ...{ action: 'command.outcome', actor: 'muster', from: '' },
      details: { cancel: 'not_approved', message: 'nobody approved it', cancelled: 3 },
    });
    expect(lastOf(SUBMITTED, { t: 'released', atMs: 6, upTo: 2 })?.details).toMatchObject({ released: 2 });
  });

  test('counts targets by end and code, whatever each of them said', () => {
    const entry: JournalEntry = {
      ...{ t: 'states', atMs: 6 },
      changes: [1, 2].map((target) => ({
        ...{ state: 'failed', code: 'exit_code', targets: encodeNumberSet([target]), message: `target ${target}` },
      })),
    };
    expect(changes(SUBMITTED, entry)).toEqual([{ state: 'failed', code: 'exit_code', targets: 2 }]);
  });

  test('is none where the entry decides nothing: a delivery, a repeated outcome, a step back, a note', () => {
    const done = states('succeeded', [1]);
    expect(lastOf(SUBMITTED, states('sent', [3]))).toBeUndefined();
    expect(lastOf(SUBMITTED, done, done)).toBeUndefined();
    expect(lastOf(SUBMITTED, done, states('running', [1]))).toBeUndefined();
    expect(lastOf(SUBMITTED, states('sent', [1], 'ledger_unavailable'))).toBeUndefined();
    expect(changes(SUBMITTED, done, states('succeeded', [1, 2]))).toEqual([{ state: 'succeeded', targets: 1 }]);
  });

  test('of a late report says that it is late, and what counts; only the first one is told', () => {
    const given = states('timed_out', [1, 2], 'no_report');
    const late = states('succeeded', [1, 2]);
    expect(changes(SUBMITTED, given, late)).toEqual([
      { state: 'succeeded', targets: 2, late: true, counts: 'timed_out' },
    ]);
    expect(lastOf(SUBMITTED, given, late, states('failed', [1]))).toBeUndefined();
  });
});
