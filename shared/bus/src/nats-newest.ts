import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';

/** The newest entry of a subject, and the newest of its whole stream when it was looked for. */
export interface Newest {
  readonly entry: StoredMsg;
  readonly streamSeq: number;
}

/**
 * Finds the newest entry of a subject that nats-server 2.9 says it does not have. That server stores what is beyond the
 * limit of an account, refuses it and removes it again; from then on it takes the removed entry for the newest of its
 * subject, until another one is stored. The entries before it are there, and whether one exists from a sequence on can
 * be asked: so they are searched by halves.
 */
export async function findNewest(
  { streams }: JetStreamManager,
  stream: string,
  subject: string,
): Promise<Newest | undefined> {
  const { state } = await streams.info(stream, { subjects_filter: subject });
  if ((state.subjects?.[subject] ?? 0) === 0) return undefined;
  let newest: StoredMsg | undefined;
  for (let [from, to] = [state.first_seq, state.last_seq]; from <= to;) {
    const middle = Math.floor((from + to) / 2);
    const found = await firstFrom(streams, { stream, subject, seq: middle });
    if (found === undefined) to = middle - 1;
    else {
      newest = found;
      from = found.seq + 1;
    }
  }
  return newest === undefined ? undefined : { entry: newest, streamSeq: state.last_seq };
}

async function firstFrom(
  streams: JetStreamManager['streams'],
  { stream, subject, seq }: { readonly stream: string; readonly subject: string; readonly seq: number },
): Promise<StoredMsg | undefined> {
  // The client does not name this request, and passes it on.
  const request = { seq, next_by_subj: subject };
  return (await streams.getMessage(stream, request)) ?? undefined;
}
