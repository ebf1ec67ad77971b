import type { AuditRecord } from './operator-records.js';

/** Which journal entry an audit record was made from: the entry's sequence, and the SHA-256 of its bytes, hex. */
export interface JournalPosition {
  readonly seq: number;
  readonly hash: string;
}

/** `undefined` for a record that no journal entry stands behind. */
export function journalPosition({ action, details }: AuditRecord): JournalPosition | undefined {
  const { seq, journal } = details ?? {};
  if (!action.startsWith('command.') || typeof seq !== 'number' || typeof journal !== 'string') return undefined;
  return { seq, hash: journal };
}
