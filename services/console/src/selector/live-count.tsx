import type { AgentCountsJson } from '@muster/api-contract';
import { useEffect, useState } from 'react';
import type { StreamEvent } from '../stream/protocol.js';
import { useFollow } from '../stream/use-stream.js';
import { whole } from '../text/numbers.js';
import { selectorFault } from './selector-box.js';
import styles from './selector-box.module.css';

const SETTLE_MS = 250;

/** How many endpoints a selector selects, kept up to date by the stream. Undefined while nobody knows. */
export function useLiveCounts(selector: string, by: readonly string[] = []): AgentCountsJson | undefined {
  const settled = useSettled(selector);
  const isGood = selectorFault(settled) === undefined;
  const [known, setKnown] = useState<{ readonly selector: string; readonly counts: AgentCountsJson }>();
  useFollow(isGood ? { kind: 'fleet', selector: settled, by } : undefined, (event: StreamEvent) => {
    if (event.event === 'counts') setKnown({ selector: settled, counts: event['counts'] as AgentCountsJson });
  });
  return known?.selector === selector ? known.counts : undefined;
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
export function LiveCount({ counts }: { counts: AgentCountsJson | undefined }) {
  if (counts === undefined) return <span className={styles['counts']}>counting…</span>;
  const { total, live, poll, offline } = counts;
  if (total === 0)
    return (
      <span className={styles['counts']} role="status">
        nobody matches
      </span>
    );
  return (
    <span className={styles['counts']} role="status">
      <span>
        <b>{live === null ? '?' : whole(live)}</b> live
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
