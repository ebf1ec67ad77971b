import { commandLedgerSettled, isTerminal } from '@muster/protocol';
import { verifyChain, type ChainLink } from '@muster/records';
import type { AuditLinkJson, CommandJson } from '@muster/api-contract';
import type { KeptCommands } from '../record/kept-commands.js';
import type { Violation } from './violation.js';

interface AuditedCommand {
  submits: number;
  /** Targets with an end, over all records. */
  ends: number;
  readonly entries: unknown[];
}

/** The audit chain has no fault, and has every command of the journal with one submission, and each end once. */
export function journalAgreesWithAudit({ commands, chain }: KeptCommands): Violation[] {
  const { faults } = verifyChain(chain as unknown as ChainLink[]);
  const broken = faults.map(({ message, seq }) => ({
    ...{
      rule: 'the audit chain holds',
      atMs: Date.now(),
      ids: [String(seq)],
      told: message,
      truth: 'nobody changed it',
    },
  }));
  const audited = auditedCommands(chain);
  return [...broken, ...commands.flatMap((command) => faultsOf(command, audited.get(command.id)))];
}

function faultsOf(
  { id, submittedAt, endedAt = submittedAt, ledger }: CommandJson,
  audited: AuditedCommand | undefined,
): Violation[] {
  const found: string[] = [];
  const { submits = 0, ends = 0, entries = [] } = audited ?? {};
  if (submits !== 1) found.push(`${submits} records of its submission`);
  if (new Set(entries).size !== entries.length) found.push(`a journal entry in two records: ${entries.join(' ')}`);
  if (commandLedgerSettled(ledger) && ends !== ledger.targeted) {
    found.push(`${ends} ends of ${ledger.targeted} targets`);
  }
  if (found.length === 0) return [];
  const told = `the audit has ${found.join('; ')}`;
  const truth = `the journal: ${JSON.stringify(ledger)}`;
  const times = { sinceMs: Date.parse(submittedAt), atMs: Date.parse(endedAt) };
  return [{ rule: 'journal against audit', ...times, ids: [id], told, truth }];
}

function auditedCommands(chain: readonly AuditLinkJson[]): Map<string, AuditedCommand> {
  const audited = new Map<string, AuditedCommand>();
  for (const { record } of chain) {
    const { action, subject, outcome, details } = record as Partial<AuditFields>;
    if (subject === undefined) continue;
    const known = audited.get(subject) ?? { submits: 0, ends: 0, entries: [] };
    audited.set(subject, known);
    if (action === 'command.submit' && outcome === 'allowed' && details?.repeated !== true) known.submits += 1;
    // What had not begun when it was cancelled.
    known.ends += details?.cancelled ?? 0;
    if (action !== 'command.outcome') continue;
    known.entries.push(details?.seq);
    for (const { state, targets, late } of details?.changes ?? [])
      if (isTerminal(state as never) && late === undefined) known.ends += targets;
  }
  return audited;
}

interface AuditFields {
  readonly action: string;
  readonly subject: string;
  readonly outcome: string;
  readonly details: {
    readonly seq?: number;
    readonly repeated?: boolean;
    readonly cancelled?: number;
    readonly changes?: readonly { readonly state: string; readonly targets: number; readonly late?: unknown }[];
  };
}
