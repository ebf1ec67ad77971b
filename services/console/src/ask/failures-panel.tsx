import type { FailureGroup } from '../rows/failure-store.js';
import { whole } from '../text/numbers.js';
import { VisibleText } from '../ui/visible-text.js';
import type { WarningJson } from '@muster/api-contract';
import styles from './results.module.css';

/** Why endpoints did not answer, grouped by text; and what answers lack. */
export function FailuresPanel({
  groups,
  warnings,
  onOpen,
}: {
  groups: readonly FailureGroup[];
  warnings: readonly WarningJson[];
  onOpen: (group: FailureGroup) => void;
}) {
  if (groups.length === 0 && warnings.length === 0) return null;
  return (
    <aside className={styles['errors']} aria-label="Errors" tabIndex={0}>
      {groups.length > 0 && <h3>Errors by text</h3>}
      {groups.map((group) => (
        <button
          key={`${group.outcome} ${group.code} ${group.message}`}
          type="button"
          className={styles['error']}
          onClick={() => onOpen(group)}
        >
          <b>{whole(group.endpoints)}</b> <VisibleText text={group.message || group.code || group.outcome} max={200} />
          <small>
            {group.outcome.replaceAll('_', ' ')} · <VisibleText text={group.sample.join(', ')} max={90} />
            {group.endpoints > group.sample.length && ' …'}
          </small>
        </button>
      ))}
      {warnings.length > 0 && <h3>Incomplete answers</h3>}
      {warnings.map((warning) => (
        <div key={`${warning.num} ${warning.code}`} className={styles['error']}>
          <VisibleText text={warning.host ?? `#${warning.num}`} max={60} />: {whole(warning.count)} {warning.code}
          <small>
            <VisibleText text={warning.message} max={160} />
          </small>
        </div>
      ))}
    </aside>
  );
}
