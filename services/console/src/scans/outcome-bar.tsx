import { whole } from '../text/numbers.js';
import { answered, OUTCOMES, type Counts } from './outcomes.js';
import styles from './scans.module.css';

/** The outcomes of a check as a bar whose parts are endpoints. */
export function OutcomeBar({ counts }: { counts: Counts }) {
  const parts = OUTCOMES.filter(({ key }) => counts[key] > 0);
  const words = parts.map(({ key, label }) => `${whole(counts[key])} ${label}`).join(', ');
  const total = Math.max(1, answered(counts));
  return (
    <span className={styles['bar']} role="img" aria-label={words === '' ? 'no outcome' : words} title={words}>
      {parts.map(({ key, tone }) => (
        <i key={key} data-tone={tone} style={{ flexGrow: counts[key] / total }} />
      ))}
    </span>
  );
}

/** `87.5`, or a dash where nothing passed or failed; and by how much it differs from the scan before. */
export function Score({ score, before }: { score: number | undefined; before?: number | undefined }) {
  const by = score === undefined || before === undefined ? 0 : Math.round((score - before) * 10) / 10;
  return (
    <>
      {score === undefined ? '–' : score.toFixed(1)}
      {by !== 0 && (
        <small className={styles['delta']} data-way={by > 0 ? 'better' : 'worse'}>
          {' '}
          {by > 0 ? '▲' : '▼'}
          {Math.abs(by).toFixed(1)}
          <span className="vh">{by > 0 ? ' better than before' : ' worse than before'}</span>
        </small>
      )}
    </>
  );
}
