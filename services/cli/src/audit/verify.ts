import { auditHash, ChainVerifier, type ChainReport } from '@muster/records';
import type { CommandEnv } from '../environment/command-env.js';
import { CliError, usageError } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { counted, numberText, renderFacts } from '../terminal/listing.js';
import { ProgressLine } from '../terminal/progress-line.js';
import { styleFor } from '../terminal/table.js';
import { readChain } from './chain.js';
import { appendHead, readHeads, type HeadsReport, type HeadsVerifier } from './heads.js';
import { JournalVerifier, readAuditedJournal, type JournalReport } from './journal.js';

export interface VerifyOptions {
  /** The hash of a record that once was the newest. */
  readonly expectHead?: string | undefined;
  /** A file with heads that were kept elsewhere. */
  readonly heads?: string | undefined;
  /** The public keys that sign them. */
  readonly headsKeys?: string | undefined;
  /** Adds the head of a chain without faults to the file. */
  readonly append?: boolean | undefined;
  readonly asJson: boolean;
}

interface Verified extends ChainReport {
  /** Undefined when the server does not tell what its journal has. */
  readonly journal: JournalReport | undefined;
  /** Undefined when no heads were given. */
  readonly heads: HeadsReport | undefined;
  readonly firstSeq: number;
  /** How many records follow the expected head; undefined when it is not in the chain, or none was expected. */
  readonly sinceHead: number | undefined;
}

const FAULTS_SHOWN = 10;

/**
 * `muster audit verify`: recomputes the chain from the records. The server only delivers the records; the verdict is computed here.
 * @throws CliError when the chain is broken, or does not hold the expected head
 */
export async function verifyAudit(env: CommandEnv, options: VerifyOptions): Promise<void> {
  const { expectHead, asJson } = options;
  const expected = expectHead?.toLowerCase();
  if (expected !== undefined && !/^[0-9a-f]{64}$/.test(expected))
    throw usageError('--expect-head takes the 64 hexadecimal digits that an earlier `muster audit verify` printed');
  if (options.heads === undefined && (options.headsKeys !== undefined || options.append === true))
    throw usageError('--heads-keys and --append need --heads');
  const heads = await headsOf(env, options);
  const verified = await verify(env, { expected, heads: heads?.verifier });
  const { stdout } = env.terminal;
  await stdout.write(asJson ? `${safeJson({ ...verified, expected })}\n` : render(verified));
  throwFaults(verified);
  if (expected !== undefined && verified.sinceHead === undefined) {
    throw new CliError(`no record of the chain has the hash ${expected}`, {
      hint: 'records were cut off its end since then, or the whole chain was written anew',
    });
  }
  if (options.append !== true || heads === undefined || verified.records === 0) return;
  const { headSeq: seq, head: hash } = verified;
  appendHead(heads.file, { org: heads.org, seq, hash, at: new Date().toISOString() });
}

interface KnownHeads {
  readonly file: string;
  readonly org: string;
  readonly verifier: HeadsVerifier;
}

async function headsOf(env: CommandEnv, { heads, headsKeys, append }: VerifyOptions): Promise<KnownHeads | undefined> {
  if (heads === undefined) return undefined;
  const { org } = await env.client().call('GET /v1/me');
  return { file: heads, org, verifier: readHeads(heads, org, { keysFile: headsKeys, mayBeEmpty: append === true }) };
}

interface Expected {
  readonly expected: string | undefined;
  readonly heads: HeadsVerifier | undefined;
}

async function verify(env: CommandEnv, { expected, heads }: Expected): Promise<Verified> {
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
      heads?.next(link);
      count += 1;
      firstSeq ||= link.seq;
      if (sinceHead !== undefined) sinceHead += 1;
      else if (expected !== undefined && auditHash(link.record) === expected) sinceHead = 0;
      line.update(`${numberText(count)} records`);
    }
  } finally {
    line.end();
  }
  const report = verifier.report();
  return { ...report, firstSeq, sinceHead, journal: journal?.report(), heads: heads?.report(report, firstSeq) };
}

function render({ records, firstSeq, headSeq, head, unchained, cut, sinceHead, journal, heads }: Verified): string {
  if (records === 0) return 'records  0\n';
  return renderFacts([
    ['records', numberText(records)],
    ['first', `${firstSeq}${cut ? ' (the record before it is no longer kept)' : ''}`],
    ['last', String(headSeq)],
    ['head', head],
    ['journal', journal === undefined ? 'not compared: this server cannot tell' : journalText(journal)],
    ['heads', heads === undefined ? undefined : headsText(heads)],
    ['unchained', unchained > 0 ? `${unchained} at the start, from before there was a chain` : undefined],
    ['expected head', sinceHead === undefined ? undefined : `found; ${counted(sinceHead, 'record')} since`],
  ]);
}

function journalText({ entries, pending }: JournalReport): string | undefined {
  if (entries === 0) return undefined;
  return `compared; ${numberText(entries)} entries${pending > 0 ? `, ${pending} of the last minute not recorded yet` : ''}`;
}

function headsText({ found, aged, signed }: HeadsReport): string {
  const old = aged > 0 ? `, ${aged} of records that are no longer kept` : '';
  return `${counted(found, 'head')} found${old}; ${signed ? 'their signatures are valid' : 'signatures not checked (--heads-keys)'}`;
}

function throwFaults({ faults, journal, heads }: Verified): void {
  throwFirst(
    'the chain is broken',
    faults.map(({ message }) => message),
  );
  throwFirst('the chain is not the one whose heads were kept', heads?.faults ?? []);
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
