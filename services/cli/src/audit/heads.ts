import { appendFileSync, readFileSync } from 'node:fs';
import { auditHeadOf, openAuditHead, parsePublicJwks, type AuditHead, type NamedKey } from '@muster/identity';
import { auditHash, type ChainLink, type ChainReport } from '@muster/records';
import { usageError } from '../terminal/cli-error.js';

/** What the chain has of the heads that were kept elsewhere. */
export interface HeadsReport {
  readonly found: number;
  /** Those whose record is older than all that are still kept. */
  readonly aged: number;
  /** Whether their signatures were verified. */
  readonly signed: boolean;
  readonly faults: readonly string[];
}

interface KeptHead extends AuditHead {
  readonly line: number;
}

/** Compares the records of a chain, oldest first, with heads that were kept in a second place. */
export class HeadsVerifier {
  readonly #bySeq = new Map<number, KeptHead[]>();
  readonly #faults: string[];
  readonly #signed: boolean;
  #found = 0;

  constructor(
    heads: readonly KeptHead[],
    { signed, faults }: { readonly signed: boolean; readonly faults: readonly string[] },
  ) {
    this.#signed = signed;
    this.#faults = [...faults];
    const known = new Set<string>();
    for (const head of heads) {
      // Each API process puts down the same ones.
      const key = `${head.seq} ${head.hash}`;
      if (known.has(key)) continue;
      known.add(key);
      this.#bySeq.set(head.seq, [...(this.#bySeq.get(head.seq) ?? []), head]);
    }
  }

  next({ seq, record }: ChainLink): void {
    const heads = this.#bySeq.get(seq);
    if (heads === undefined) return;
    this.#bySeq.delete(seq);
    const hash = auditHash(record);
    for (const head of heads) {
      if (head.hash === hash) this.#found += 1;
      else this.#faults.push(`record ${seq} is another one than ${whenOf(head)}`);
    }
  }

  /** `firstSeq`: of the oldest record of the chain. */
  report({ cut, headSeq }: ChainReport, firstSeq: number): HeadsReport {
    const missing = [...this.#bySeq.values()].flat().sort((a, b) => a.seq - b.seq);
    const faults = [...this.#faults];
    let aged = 0;
    for (const head of missing) {
      // Age cuts the start of a chain, and never all that was known of it.
      if (head.seq < firstSeq && cut && this.#found > 0) aged += 1;
      else if (head.seq > headSeq)
        faults.push(`the chain ends with record ${headSeq}, before record ${head.seq}, ${whenOf(head)}`);
      else faults.push(`record ${head.seq} is not there, ${whenOf(head)}`);
    }
    return { found: this.#found, aged, signed: this.#signed, faults };
  }
}

const whenOf = ({ at, line }: KeptHead): string => `the newest at ${at} (line ${line} of the heads)`;

/**
 * Reads the heads of an org from a file with one in each line, as APIs write them. With `keysFile`, a public JWKS, each must be signed.
 * @throws CliError where a line is no head, or the file has none of this org
 */
export function readHeads(
  file: string,
  org: string,
  options: { readonly keysFile?: string | undefined; readonly mayBeEmpty: boolean },
): HeadsVerifier {
  const keys = options.keysFile === undefined ? undefined : keysIn(options.keysFile);
  const heads: KeptHead[] = [];
  const faults: string[] = [];
  const lines = textOf(file, options.mayBeEmpty).split('\n');
  for (const [index, text] of lines.entries()) {
    if (text.trim() === '') continue;
    const line = index + 1;
    const value = valueOf(text);
    const head = auditHeadOf(value);
    if (head === undefined) throw usageError(`line ${line} of ${file} is no head of an audit chain`);
    if (head.org !== org) continue;
    const fault = keys === undefined ? undefined : signatureFault(head, value, keys);
    if (fault === undefined) heads.push({ ...head, line });
    else faults.push(`line ${line} of the heads ${fault}`);
  }
  if (heads.length === 0 && faults.length === 0 && !options.mayBeEmpty)
    throw usageError(`${file} has no head of the org ${org}`);
  return new HeadsVerifier(heads, { signed: keys !== undefined, faults });
}

/** Adds a head at the end of the file. */
export function appendHead(file: string, head: AuditHead): void {
  try {
    appendFileSync(file, `${JSON.stringify(head)}\n`, { mode: 0o600 });
  } catch (cause) {
    throw usageError(`${file} cannot be written: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`);
  }
}

function signatureFault(head: AuditHead, value: unknown, keys: readonly NamedKey[]): string | undefined {
  const { jws } = value as { readonly jws?: unknown };
  if (typeof jws !== 'string') return 'is not signed';
  const opened = openAuditHead(jws, keys);
  if (!opened.ok) return `is not signed by one of the keys (${opened.reason})`;
  const { org, seq, hash, at } = opened.head;
  return org === head.org && seq === head.seq && hash === head.hash && at === head.at
    ? undefined
    : 'is not what was signed';
}

function keysIn(file: string): readonly NamedKey[] {
  const parsed = parsePublicJwks(textOf(file, false));
  if (!parsed.ok) throw usageError(`${file} ${parsed.fault}`);
  return parsed.jwks.keys;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function textOf(file: string, mayBeMissing: boolean): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (mayBeMissing && code === 'ENOENT') return '';
    throw usageError(`${file} cannot be read: ${code ?? String(cause)}`);
  }
}
