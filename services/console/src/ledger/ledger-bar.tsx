import { Fragment } from 'react';
import { whole } from '../text/numbers.js';
import { ledgerSentence, type Segment } from './segments.js';
import styles from './ledger-bar.module.css';

/** A ledger as a bar whose parts add up. Each part opens who is in it. */
export function LedgerBar({
  segments,
  targeted,
  away,
  onOpen,
}: {
  segments: readonly Segment[];
  targeted: number;
  away?: number | undefined;
  onOpen?: ((key: string) => void) | undefined;
}) {
  return (
    <div className={styles['ledger']}>
      <div className={styles['bar']} role="img" aria-label={ledgerSentence(segments, targeted)}>
        {segments.map(({ key, tone, share, label, count }) => (
          <div
            key={key}
            className={`${styles['part']} ${styles[`tone-${tone}`]}`}
            style={{ flexGrow: share }}
            title={`${whole(count)} ${label}`}
          />
        ))}
      </div>
      <div className={styles['names']}>
        <span className={styles['name']} data-ledger="targeted">
          <b>{whole(targeted)}</b> targeted
        </span>
        {segments.map(({ key, tone, count, label }, at) => (
          <Fragment key={key}>
            <span className={styles['joint']} aria-hidden="true">
              {at === 0 ? '=' : '+'}
            </span>
            <button type="button" className={styles['name']} data-ledger={key} onClick={() => onOpen?.(key)}>
              <span className={`${styles['swatch']} ${styles[`tone-${tone}`]}`} aria-hidden="true" />
              <b>{whole(count)}</b> {label}
            </button>
          </Fragment>
        ))}
        {away !== undefined && away > 0 && <span className={styles['away']}>{whole(away)} more are away</span>}
      </div>
    </div>
  );
}
