import type { FindingJson } from '@muster/api-contract';
import { Link } from '@tanstack/react-router';
import { useTime } from '../preferences/time.js';
import { plural, whole } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { VisibleText } from '../ui/visible-text.js';
import { readEvidence } from './evidence.js';
import styles from './scans.module.css';

const CELL = 400;

/** Equal evidence, who has it, and by which exceptions they may. Evidence is the word of endpoints. */
export function Finding({ finding, onAccept }: { finding: FindingJson; onAccept?: (() => void) | undefined }) {
  const { evidence: said, reason, endpoints, sample, exceptions } = finding;
  const time = useTime();
  const evidence = readEvidence(said);
  return (
    <div className={styles['finding']}>
      {reason !== null && (
        <p>
          <VisibleText text={reason} max={600} />
        </p>
      )}
      {typeof evidence === 'string'
        ? evidence !== '' && (
            <code className={styles['said']}>
              <VisibleText text={evidence} max={1_000} />
            </code>
          )
        : evidence.columns.length > 0 && (
            <div className={styles['scroll']} role="region" aria-label="Evidence" tabIndex={0}>
              <table className={styles['evidence']}>
                <thead>
                  <tr>
                    {evidence.columns.map((name, at) => (
                      <th key={at}>
                        <VisibleText text={name} max={60} />
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {evidence.rows.map((row, at) => (
                    <tr key={at}>
                      {row.map((text, place) => (
                        <td key={place}>
                          <VisibleText text={text} max={CELL} />
                        </td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
      {typeof evidence !== 'string' && evidence.more > 0 && (
        <small className={styles['soft']}>and {plural(evidence.more, 'more row')}</small>
      )}
      <div className={styles['who']}>
        <b>{plural(endpoints, 'endpoint')}</b>
        {sample.map(({ num, agentId, host }) =>
          agentId === null ? (
            <span key={num}>#{num}</span>
          ) : (
            <Link key={num} to="/fleet/$agentId" params={{ agentId }}>
              <VisibleText text={host ?? `#${num}`} max={60} />
            </Link>
          ),
        )}
        {endpoints > sample.length && (
          <span className={styles['soft']}>and {whole(endpoints - sample.length)} more</span>
        )}
      </div>
      {exceptions.map(({ id, owner, reason: why, until, endpoints: some }) => (
        <span key={id} className={styles['soft']}>
          {plural(some, 'endpoint')} may fail until {time.full(until)}: <VisibleText text={why} max={300} />, says{' '}
          <VisibleText text={owner} max={100} />
        </span>
      ))}
      {onAccept !== undefined && (
        <span>
          <Button small onPress={onAccept}>
            Accept…
          </Button>
        </span>
      )}
    </div>
  );
}
