import { useEffect, useState } from 'react';
import type { StreamEvent } from '../stream/protocol.js';
import { useFollow } from '../stream/use-stream.js';
import { whole } from '../text/numbers.js';
import { VisibleText } from '../ui/visible-text.js';
import { afterCountsEvent, type LiveCounts } from './live-counts.js';
import { selectorFault } from './selector-box.js';
import styles from './selector-box.module.css';

const SETTLE_MS = 250;

const NOTHING: LiveCounts = {};

/** How many endpoints a selector selects, kept up to date by the stream. */
export function useLiveCounts(selector: string, by: readonly string[] = []): LiveCounts {
  const settled = useSettled(selector);
  const isGood = selectorFault(settled) === undefined;
  const [known, setKnown] = useState<{ readonly selector: string; readonly live: LiveCounts }>();
  useFollow(isGood ? { kind: 'fleet', selector: settled, by } : undefined, (event: StreamEvent) =>
    setKnown((before) => {
      const live = before?.selector === settled ? before.live : NOTHING;
      return { selector: settled, live: afterCountsEvent(live, event) };
    }),
  );
  return known?.selector === selector ? known.live : NOTHING;
}

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** `1,258 live, 40 poll, 12 away` */
export function LiveCount({ live: { counts, refusal } }: { live: LiveCounts }) {
  if (refusal !== undefined)
    return (
      <span className={styles['counts']} role="status">
        not counted: <VisibleText text={refusal} max={200} />
      </span>
    );
  if (counts === undefined) return <span className={styles['counts']}>counting…</span>;
  const { total, live: inLive, poll, offline } = counts;
  if (total === 0)
    return (
      <span className={styles['counts']} role="status">
        nobody matches
      </span>
    );
  return (
    <span className={styles['counts']} role="status">
      <span>
        <b>{inLive === null ? '?' : whole(inLive)}</b> live
      </span>
      <span>
        <b>{poll === null ? '?' : whole(poll)}</b> poll
      </span>
      <span>
        <b>{offline === null ? '?' : whole(offline)}</b> away
      </span>
    </span>
  );
}
