import { JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';
import { lost, type NatsLink } from './nats-link.js';
import { StreamError } from './stream-store.js';

interface PurgeOptions {
  readonly stream: string;
  /** Wildcards allowed. */
  readonly subject: string;
  /** Entries from this sequence on stay. */
  readonly beforeSeq: number;
}

/**
 * Deletes the entries of a subject one by one. The server's own purge of a subject moves every consumer whose filter matches that
 * subject behind the end of the stream (nats-server 2.9): readers of all subjects lose what they have not read yet, of every subject.
 * @throws StreamError or what the driver throws.
 */
export async function purgeSubject(
  link: NatsLink,
  jsm: JetStreamManager,
  { stream, subject, beforeSeq }: PurgeOptions,
): Promise<void> {
  const find = async (query: { last_by_subj: string } | { seq: number; next_by_subj: string } | { seq: number }) => {
    const found = await link.orLost(jsm.streams.getMessage(stream, query));
    if (found === lost) throw new StreamError('unavailable', 'the connection to nats was lost');
    return found?.seq;
  };
  const hasWildcard = /(^|\.)[*>](\.|$)/.test(subject);
  // The server has an index of the newest entries: that there is none costs one request.
  const newest = hasWildcard ? undefined : await find({ last_by_subj: subject });
  if (!hasWildcard && newest === undefined) return;
  const until = Math.min(beforeSeq, (newest ?? Infinity) + 1);
  for (let from = 1; from < until;) {
    const seq = await find({ seq: from, next_by_subj: subject });
    if (seq === undefined || seq >= until) return;
    try {
      if ((await link.orLost(jsm.streams.deleteMessage(stream, seq, false))) === lost) continue;
    } catch (error) {
      // Somebody else may have deleted it.
      if (!(error instanceof JetStreamApiError) || (await find({ seq })) !== undefined) throw error;
    }
    from = seq + 1;
  }
}
