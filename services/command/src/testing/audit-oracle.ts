import { isTerminal, type CommandId, type CommandState } from '@muster/protocol';
import { journalPosition, type AuditRecord, type CommandFold } from '@muster/records';

interface Told {
  submits: number;
  ends: number;
  late: number;
  readonly entries: number[];
}

/** What the audit must say about commands: one submission, each end and each late report once, no journal entry in two records. */
export function auditViolations(folds: ReadonlyMap<CommandId, CommandFold>, records: readonly AuditRecord[]): string[] {
  const told = new Map<string, Told>();
  for (const record of records) {
    const position = journalPosition(record);
    if (record.subject === undefined || position === undefined) continue;
    const known = told.get(record.subject) ?? { submits: 0, ends: 0, late: 0, entries: [] };
    told.set(record.subject, known);
    known.entries.push(position.seq);
    if (record.action === 'command.submit') known.submits += 1;
    const { changes = [], cancelled = 0 } = (record.details ?? {}) as {
      readonly changes?: readonly { state: CommandState; targets: number; late?: true }[];
      readonly cancelled?: number;
    };
    known.ends += cancelled;
    for (const { state, targets, late } of changes) if (isTerminal(state)) known[late ? 'late' : 'ends'] += targets;
  }
  return [...folds]
    .flatMap(([id, fold]) => {
      const { submits = 0, ends = 0, late = 0, entries = [] } = told.get(id) ?? {};
      told.delete(id);
      const lates = fold.nums.filter((_, i) => fold.late(i + 1) !== undefined).length;
      const found = [submits, ends, late, new Set(entries).size];
      const right = [1, fold.nums.length, lates, entries.length];
      return found.join() === right.join() ? [] : [`${id}: the audit says ${found.join()} and not ${right.join()}`];
    })
    .concat([...told.keys()].map((id) => `${id}: audited, and void`));
}
