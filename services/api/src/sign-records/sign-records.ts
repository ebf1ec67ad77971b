import { StreamError, type Entry, type StreamStore } from '@muster/bus';
import type { RecordSigner, RecordVerifier } from '@muster/identity';
import { DECISION_SUBJECTS, decodeRecord, STREAMS, type OperatorTokenRecord } from '@muster/records';

export interface SignRecordsOptions {
  readonly streams: Pick<StreamStore, 'read' | 'last' | 'append'>;
  readonly signer: RecordSigner;
  readonly verifier: RecordVerifier;
  /** False: it says what it would do. */
  readonly write: boolean;
  readonly print: (line: string) => void;
}

const ATTEMPTS = 5;

/**
 * Signs every record that decides rights and has no valid signature. Nobody can tell which of them were forged, so it
 * shows all tokens: a person has to know them. Safe while services run, and to run again.
 * @throws StreamError `unavailable`.
 */
export async function signRecords(options: SignRecordsOptions): Promise<void> {
  const { streams, verifier, write, print } = options;
  let [signed, valid, unreadable] = [0, 0, 0];
  for (const [stream, subjects] of Object.entries(DECISION_SUBJECTS)) {
    for (const subject of subjects) {
      for (const entry of await newest(streams, stream, subject)) {
        const opened = verifier.open(entry.subject, entry.data);
        if (stream === STREAMS.operatorTokens.name) print(tokenLine(entry, opened.ok));
        if (opened.ok) valid += 1;
        else if (opened.data === undefined) unreadable += 1;
        else if (!write || (await sign(options, stream, entry))) signed += 1;
      }
    }
  }
  print(`${write ? 'signed' : 'to be signed'}: ${signed}; signed before: ${valid}; cannot be read: ${unreadable}`);
  if (!write && signed > 0) print('Nothing was written. When you know all of these tokens, run it again with --yes.');
}

/** Nothing where there is no such stream yet. */
async function newest(streams: SignRecordsOptions['streams'], stream: string, subject: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  try {
    // A copy: an entry is a view of a receive buffer.
    for await (const entry of streams.read(stream, { subject, lastPerSubject: true }))
      entries.push({ ...entry, data: entry.data.slice() });
  } catch (error) {
    if (!(error instanceof StreamError && error.code === 'no_stream')) throw error;
  }
  return entries;
}

/** False when somebody else has written a valid one meanwhile. */
async function sign({ streams, signer, verifier }: SignRecordsOptions, stream: string, found: Entry): Promise<boolean> {
  let entry: Entry | undefined = found;
  for (let attempt = 0; attempt < ATTEMPTS && entry !== undefined; attempt += 1) {
    const { subject, seq } = entry;
    const opened = verifier.open(subject, entry.data);
    if (opened.ok || opened.data === undefined) return false;
    const data = signer.sign(subject, opened.data);
    const result = await streams.append(subject, data, { expectLastSubjectSeq: seq });
    if (result.kind === 'appended') return true;
    if (result.kind === 'unavailable') throw result.cause;
    entry = await streams.last(stream, subject);
  }
  return false;
}

function tokenLine({ data }: Entry, isSigned: boolean): string {
  const { org, tokenId, role, name, creator, createdBy, createdAtMs, revokedAtMs } =
    decodeRecord<OperatorTokenRecord>(data);
  const made = `${new Date(createdAtMs).toISOString()} by ${creator ?? createdBy}`;
  const state = [...(revokedAtMs === undefined ? [] : ['revoked']), ...(isSigned ? ['signed'] : [])];
  return `token ${tokenId} of ${org}: ${role} "${name}", made ${made}${state.map((one) => `, ${one}`).join('')}`;
}
