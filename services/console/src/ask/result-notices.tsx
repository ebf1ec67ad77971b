import type { Snapshot } from '../rows/row-source.js';
import { useTime } from '../preferences/time.js';
import { plural, whole } from '../text/numbers.js';
import { visible } from '../text/visible.js';
import { Notice } from '../ui/notice.js';

/** What a person must know about a result besides its rows: how its stream stands, how it ended, what it lacks. */
export function ResultNotices({ rows }: { rows: Snapshot }) {
  const { phase, query, dropped, kept, problem, lastSeq, synthesized, since } = rows;
  const time = useTime();
  return (
    <>
      {phase === 'refused' && problem !== undefined && (
        <Notice tone="danger">
          {problem.code === 'not_found'
            ? 'This question is not known: it is older than the server keeps them (30 days unless set otherwise), or it was asked elsewhere.'
            : visible(problem.detail)}
        </Notice>
      )}
      {phase === 'lost' && (
        <Notice tone="warning">
          The connection was lost{since === undefined ? '' : ` at ${time.clock(since)}`}. It goes on after event{' '}
          {lastSeq ?? 0} as soon as the server answers; what is shown is stale until then.
        </Notice>
      )}
      {phase === 'held' && problem !== undefined && (
        <Notice tone="warning">Not read for now: {visible(problem.detail)} It goes on by itself.</Notice>
      )}
      {phase === 'signed_out' && (
        <Notice tone="warning">
          Your session has ended. Sign in again, and it goes on after event {lastSeq ?? 0}.
        </Notice>
      )}
      {phase === 'stalled' && (
        <Notice tone="warning">
          The message broker does not answer: nobody knows how the question stands. It goes on by itself.
        </Notice>
      )}
      {query?.state === 'interrupted' && (
        <Notice tone="warning">
          Interrupted: the service that ran this question has gone. What came until then is kept; ask again for the
          rest.
        </Notice>
      )}
      {query?.state === 'cancelled' && <Notice>Cancelled. What came until then is kept.</Notice>}
      {synthesized && (
        <Notice tone="warning">The results have expired. This is what the record of the question says.</Notice>
      )}
      {query?.truncated !== undefined && (
        <Notice tone="warning">Not everything was kept: {visible(query.truncated)}</Notice>
      )}
      {dropped > 0 && (
        <Notice tone="warning">
          This page keeps {whole(kept)} rows; {plural(dropped, 'more row')} came and are not shown. Export has them all;
          reduce or group to see less.
        </Notice>
      )}
      {query?.warned !== undefined && query.warned > 0 && (
        <Notice tone="warning">
          {plural(query.warned, 'answer')} lack something, by the endpoints&apos; own word: see the errors.
        </Notice>
      )}
    </>
  );
}
