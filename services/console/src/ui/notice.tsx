import type { ReactNode } from 'react';
import { describe } from '../api/problems.js';
import { Button } from './controls.js';
import styles from './notice.module.css';

/** A line about how something stands. Screen readers hear it when it comes. */
export function Notice({ tone, children }: { tone?: 'warning' | 'danger'; children: ReactNode }) {
  return (
    <div
      className={`${styles['notice']} ${tone === undefined ? '' : styles[tone]}`}
      role={tone === 'danger' ? 'alert' : 'status'}
    >
      {children}
    </div>
  );
}

/** A place that has nothing to show, and why. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={styles['empty']} role="status">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Waiting({ what }: { what: string }) {
  return (
    <p className={styles['waiting']} role="status">
      {what}
    </p>
  );
}

/** What a call failed with, and a way to try again. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <Notice tone="danger">
      <span>{describe(error)}</span>
      {onRetry !== undefined && (
        <Button small onPress={onRetry}>
          Try again
        </Button>
      )}
    </Notice>
  );
}
