import { JetStreamApiCodes } from '@nats-io/jetstream';
import { headers, type Msg } from '@nats-io/transport-node';
import { storageFull } from './nats-stream-error.js';
import { StreamError, type AppendOptions, type AppendResult } from './stream-store.js';

export interface Conditions extends AppendOptions {
  /** Append only if the newest entry of the whole stream has this sequence. */
  readonly expectLastSeq?: number;
}

/** Headers take a slower path in client and server, so they are sent only when a condition needs them. */
export function appendHeaders({ expectLastSubjectSeq, expectLastSeq, msgId }: Conditions) {
  if (expectLastSubjectSeq === undefined && expectLastSeq === undefined && msgId === undefined) return {};
  const set = headers();
  if (msgId !== undefined) set.set('Nats-Msg-Id', msgId);
  if (expectLastSeq !== undefined) set.set('Nats-Expected-Last-Sequence', String(expectLastSeq));
  if (expectLastSubjectSeq !== undefined) {
    set.set('Nats-Expected-Last-Subject-Sequence', String(expectLastSubjectSeq));
  }
  return { headers: set };
}

interface PublishAck {
  readonly seq?: number;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/** The server says that a subject has no entry, or that it has forgotten the newest one. */
export const forgotten: unique symbol = Symbol('forgotten');

export function acknowledged(message: Msg, subject: string): AppendResult | typeof forgotten {
  const ack = message.json<PublishAck>();
  if (ack.error !== undefined) {
    const isEmpty = ack.error.description?.endsWith(': 0') ?? false;
    if (CONFLICTS.has(ack.error.err_code)) return isEmpty ? forgotten : { kind: 'conflict' };
    const reason = ack.error.description ?? 'unknown';
    if (storageFull(ack.error.err_code, reason)) return noRoom(subject, reason);
    return unavailable(false, `nats refused an entry on ${subject}: ${reason}`);
  }
  if (typeof ack.seq !== 'number') return unavailable(true, `the answer on ${subject} is no acknowledgement`);
  return { kind: 'appended', seq: ack.seq };
}

const CONFLICTS: ReadonlySet<number | undefined> = new Set([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]);

export function noRoom(subject: string, why: string): AppendResult {
  const cause = new StreamError('storage_full', `nats has no room for an entry on ${subject}: ${why}`);
  return { kind: 'unavailable', maybeStored: false, cause };
}

export function unavailable(maybeStored: boolean, text: string, cause?: unknown): AppendResult {
  return { kind: 'unavailable', maybeStored, cause: new Error(text, { cause }) };
}
