import { ApiProblem, resumed, type ApiClient } from '@muster/api-client';
import type { AuditedEntryJson } from '@muster/api-contract';
import { journalPosition, type AuditRecord, type ChainLink, type JournalPosition } from '@muster/records';
import { CliError } from '../terminal/cli-error.js';

/** What the journal of commands and the audit chain say about each other. */
export interface JournalReport {
  /** Entries that must have a record. */
  readonly entries: number;
  /** Those younger than a minute whose record is not there yet. */
  readonly pending: number;
  readonly faults: readonly string[];
}

/** Before records named their entry, requests were recorded by command. */
const REQUESTS = new Set(['command.submit', 'command.undo', 'command.approve', 'command.cancel']);

/** Compares the entries of the journal with the records of the chain. Read the journal first: what comes later is not missing in it. */
export class JournalVerifier {
  readonly #entries: readonly AuditedEntryJson[];
  /** By sequence of the entry. Entries that left the journal have records too. */
  readonly #positions = new Map<number, JournalPosition & { count: number }>();
  readonly #unnamed = new Set<string>();

  constructor(entries: readonly AuditedEntryJson[]) {
    this.#entries = entries;
  }

  next({ record }: ChainLink): void {
    const position = journalPosition(record);
    if (position === undefined) return this.#takeUnnamed(record);
    const known = this.#positions.get(position.seq);
    // Of a journal that was lost and began anew the latest counts.
    const isSame = known?.hash === position.hash;
    this.#positions.set(position.seq, { ...position, count: isSame ? known.count + 1 : 1 });
  }

  report(): JournalReport {
    const faults: string[] = [];
    let pending = 0;
    for (const { seq, journal, action = '', command = '', pending: isPending } of this.#entries) {
      const what = `entry ${seq} of the journal (${action} of ${command})`;
      const position = this.#positions.get(seq);
      if (position !== undefined && position.hash === journal) {
        if (position.count > 1) faults.push(`${what} has ${position.count} records`);
      } else if (this.#unnamed.has(keyOf(action, command))) continue;
      else if (isPending === true) pending += 1;
      else if (position !== undefined) faults.push(`${what} is not the one that its record describes`);
      else faults.push(`${what} has no record`);
    }
    return { entries: this.#entries.length, pending, faults };
  }

  #takeUnnamed({ action, subject, outcome }: AuditRecord): void {
    const isAllowed = REQUESTS.has(action) && outcome === 'allowed' && subject !== undefined;
    if (isAllowed) this.#unnamed.add(keyOf(action, subject));
  }
}

/** `undefined` when the server is older than the operation. @throws ConnectionError, ApiProblem, CliError */
export async function readAuditedJournal(client: ApiClient): Promise<readonly AuditedEntryJson[] | undefined> {
  const entries: AuditedEntryJson[] = [];
  let isComplete = false;
  const open = (): AsyncGenerator<AuditedEntryJson> =>
    client.lines('GET /v1/audit/journal', { query: { after: entries.at(-1)?.seq } });
  const incomplete = (): CliError => new CliError('the journal was not read to its end: entries are held back');
  try {
    for await (const line of resumed(open, () => isComplete, { incomplete })) {
      const isNext = line.end === true || line.seq > (entries.at(-1)?.seq ?? 0);
      if (!Number.isSafeInteger(line.seq) || !isNext)
        throw new CliError('the server sent a line of the journal that is no entry, or not the next one');
      if (line.end === true) isComplete = true;
      else entries.push(line);
    }
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404) return undefined;
    throw error;
  }
  return entries;
}

function keyOf(action: string, command: string): string {
  return `${action} ${command}`;
}
