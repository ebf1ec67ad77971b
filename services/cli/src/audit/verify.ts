import { auditHash, ChainVerifier, type ChainReport } from '@muster/records';
import type { CommandEnv } from '../environment/command-env.js';
import { CliError, usageError } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { counted, numberText, renderFacts } from '../terminal/listing.js';
import { ProgressLine } from '../terminal/progress-line.js';
import { styleFor } from '../terminal/table.js';
import { readChain } from './chain.js';
import { JournalVerifier, readAuditedJournal, type JournalReport } from './journal.js';

export interface VerifyOptions {
  /** The hash of a record that once was the newest. */
  readonly expectHead?: string | undefined;
  readonly asJson: boolean;
}

interface Verified extends ChainReport {
  /** Undefined when the server does not tell what its journal has. */
  readonly journal: JournalReport | undefined;
  readonly firstSeq: number;
  /** How many records follow the expected head; undefined when it is not in the chain, or none was expected. */
  readonly sinceHead: number | undefined;
}

const FAULTS_SHOWN = 10;

/**
 * `muster audit verify`: recomputes the chain from the records. The server only delivers the records; the verdict is computed here.
 * @throws CliError when the chain is broken, or does not hold the expected head
 */
export async function verifyAudit(env: CommandEnv, { expectHead, asJson }: VerifyOptions): Promise<void> {
  const expected = expectHead?.toLowerCase();
  if (expected !== undefined && !/^[0-9a-f]{64}$/.test(expected))
    throw usageError('--expect-head takes the 64 hexadecimal digits that an earlier `muster audit verify` printed');
  const verified = await verify(env, expected);
  const { stdout } = env.terminal;
  await stdout.write(asJson ? `${safeJson({ ...verified, expected })}\n` : render(verified));
  throwFaults(verified);
  if (expected !== undefined && verified.sinceHead === undefined) {
    throw new CliError(`no record of the chain has the hash ${expected}`, {
      hint: 'records were cut off its end since then, or the whole chain was written anew',
    });
  }
}

async function verify(env: CommandEnv, expected: string | undefined): Promise<Verified> {
  const { stderr, env: variables } = env.terminal;
  const line = new ProgressLine(stderr, styleFor(stderr.isTTY, variables), 'reading');
  const client = env.client();
  const entries = await readAuditedJournal(client);
  const journal = entries === undefined ? undefined : new JournalVerifier(entries);
  const verifier = new ChainVerifier();
  let firstSeq = 0;
  let count = 0;
  let sinceHead: number | undefined;
  try {
    for await (const link of readChain(client)) {
      verifier.next(link);
      journal?.next(link);
      count += 1;
      firstSeq ||= link.seq;
      if (sinceHead !== undefined) sinceHead += 1;
      else if (expected !== undefined && auditHash(link.record) === expected) sinceHead = 0;
      line.update(`${numberText(count)} records`);
    }
  } finally {
    line.end();
  }
  return { ...verifier.report(), firstSeq, sinceHead, journal: journal?.report() };
}

function render({ records, firstSeq, headSeq, head, unchained, cut, sinceHead, journal }: Verified): string {
  if (records === 0) return 'records  0\n';
  return renderFacts([
    ['records', numberText(records)],
    ['first', `${firstSeq}${cut ? ' (the record before it is no longer kept)' : ''}`],
    ['last', String(headSeq)],
    ['head', head],
    ['journal', journal === undefined ? 'not compared: this server cannot tell' : journalText(journal)],
    ['unchained', unchained > 0 ? `${unchained} at the start, from before there was a chain` : undefined],
    ['expected head', sinceHead === undefined ? undefined : `found; ${counted(sinceHead, 'record')} since`],
  ]);
}

function journalText({ entries, pending }: JournalReport): string | undefined {
  if (entries === 0) return undefined;
  return `compared; ${numberText(entries)} entries${pending > 0 ? `, ${pending} of the last minute not recorded yet` : ''}`;
}

function throwFaults({ faults, journal }: Verified): void {
  throwFirst(
    'the chain is broken',
    faults.map(({ message }) => message),
  );
  throwFirst('the chain does not match the journal of commands', journal?.faults ?? []);
}

function throwFirst(what: string, [first, ...others]: readonly string[]): void {
  if (first === undefined) return;
  const more = others.length - FAULTS_SHOWN;
  throw new CliError(`${what}: ${escapeControls(first)}`, {
    excerpt: [
      ...others.slice(0, FAULTS_SHOWN).map((message) => `  ${escapeControls(message)}`),
      ...(more > 0 ? [`  … and ${more} more`] : []),
    ],
  });
}
