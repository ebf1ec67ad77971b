import { createHash } from 'node:crypto';
import type { AuditRecord, CancelEntry, FoldStep, JournalEntry, SubmittedEntry } from '@muster/records';
import type { JournalEvent } from './replay-journal.js';

/** The actor of what the command service does by itself. */
export const SYSTEM = { id: 'muster', name: 'Muster' } as const;

/** An audit record that a journal entry stands behind. The entry says when it was. */
export type EntryRecord = Omit<AuditRecord, 'prev'>;

type What = Pick<AuditRecord, 'action' | 'details'> & Partial<Pick<AuditRecord, 'actor' | 'actorName' | 'scope'>>;

/**
 * The audit record of a journal entry, made from the journal alone, so that any service can write it at any time. `undefined` for an entry
 * that decided nothing: deliveries, repeated outcomes, what came too late for everything but a late report.
 */
export function entryRecord({ seq, data, entry, step, fold }: JournalEvent): EntryRecord | undefined {
  const what = whatOf(entry, step);
  if (what === undefined) return undefined;
  const asked = 'asked' in entry ? entry.asked : undefined;
  const isRequest = what.actor !== undefined;
  return {
    ...{ atMs: entry.atMs, org: fold.record.org, actor: SYSTEM.id, actorName: SYSTEM.name },
    ...what,
    ...{ outcome: 'allowed', from: asked?.from ?? '', subject: fold.record.id },
    ...(asked?.scope === undefined ? {} : { scope: asked.scope }),
    details: {
      ...{ journal: createHash('sha256').update(data).digest('hex'), seq },
      ...what.details,
      ...(asked?.person === undefined ? {} : { person: asked.person }),
      ...(isRequest ? { status: fold.status, targets: fold.nums.length } : {}),
    },
  };
}

function whatOf(entry: JournalEntry, step: FoldStep): What | undefined {
  switch (entry.t) {
    case 'submitted':
      return submitted(entry);
    case 'signed': {
      const { approver } = entry.signature;
      if (!step.signed) return undefined;
      return { action: 'command.approve', actor: approver?.id ?? '', actorName: approver?.name ?? '', details: {} };
    }
    case 'cancel':
      return step.cancelled ? cancelled(entry, step) : undefined;
    case 'released':
      return { action: 'command.outcome', details: { released: entry.upTo } };
    case 'states': {
      const changes = changesOf(step);
      return changes.length === 0 ? undefined : { action: 'command.outcome', details: { changes } };
    }
  }
}

function submitted({ record }: SubmittedEntry): What {
  const { action, params, dryRun, undoes, reason, operator } = record;
  return {
    ...{
      action: undoes === undefined ? 'command.submit' : 'command.undo',
      actor: operator.id,
      actorName: operator.name,
    },
    details: {
      ...(undoes === undefined ? { action, params, dryRun } : { undoes, dryRun }),
      ...(reason === undefined ? {} : { reason }),
    },
  };
}

function cancelled({ by, code, message }: CancelEntry, step: FoldStep): What {
  const count = step.changes.reduce((sum, { targets }) => sum + targets.length, 0);
  if (by.id === SYSTEM.id) return { action: 'command.outcome', details: { cancel: code, message, cancelled: count } };
  const details = { ...(message === '' ? {} : { reason: message }), cancelled: count };
  return { action: 'command.cancel', actor: by.id, actorName: by.name, details };
}

interface Change {
  readonly state: string;
  targets: number;
  readonly code?: string;
  readonly late?: true;
  readonly counts?: string;
}

/** Each end of a target is in one record. A report that came after it is marked as late, with the end that counts. */
function changesOf({ changes, late }: FoldStep): Change[] {
  const found = new Map<string, Change>();
  const add = (change: Change): void => {
    const key = JSON.stringify({ ...change, targets: 0 });
    const known = found.get(key);
    if (known === undefined) found.set(key, change);
    else known.targets += change.targets;
  };
  for (const { outcome, targets } of changes) if (outcome.state !== 'sent') add(changeOf(outcome, targets));
  for (const { outcome, targets, counts } of late) add({ ...changeOf(outcome, targets), late: true, counts });
  return [...found.values()];
}

function changeOf({ state, code }: FoldStep['changes'][number]['outcome'], targets: readonly number[]): Change {
  return { state, targets: targets.length, ...(code === '' ? {} : { code }) };
}
