import type { AgentCountsJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client } from '../api/client.js';
import { useCan } from '../session/session.js';
import { whole } from '../text/numbers.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './fleet.module.css';

const REFRESH_MS = 10_000;
const MOST = 6;

/** How many endpoints there are and how they fare; what runs now. */
export function FleetNumbers({ counts, selector }: { counts: AgentCountsJson | undefined; selector: string }) {
  const can = useCan();
  const health = useQuery({
    queryKey: ['health', selector],
    queryFn: ({ signal }) => client.call('GET /v1/health', { query: { selector, limit: 1 }, signal }),
    refetchInterval: REFRESH_MS,
  });
  const running = useQuery({
    queryKey: ['queries', 'running'],
    queryFn: ({ signal }) => client.call('GET /v1/queries', { query: { state: 'running', limit: 200 }, signal }),
    refetchInterval: REFRESH_MS,
    enabled: can('queries:read'),
  });
  const commands = useQuery({
    queryKey: ['commands', 'running'],
    queryFn: ({ signal }) => client.call('GET /v1/commands', { query: { status: 'running', limit: 200 }, signal }),
    refetchInterval: REFRESH_MS,
    enabled: can('commands:read'),
  });
  const { ok = 0, warning = 0, critical = 0 } = health.data?.counts ?? {};
  return (
    <div className={styles['numbers']}>
      <Number value={counts?.total} name="endpoints" />
      <Number value={counts?.live} name="live" />
      <Number value={counts?.poll} name="poll" />
      <Number value={counts?.offline} name="away" />
      {health.data !== undefined && (
        <>
          <Number value={critical} name="critical" />
          <Number value={warning} name="warning" />
          <Number value={ok} name="well" />
        </>
      )}
      {running.data !== undefined && (
        <span className={styles['number']}>
          <b>{running.data.items.length}</b> <Link to="/hunts">questions and hunts run</Link>
        </span>
      )}
      {commands.data !== undefined && (
        <span className={styles['number']}>
          <b>{commands.data.items.length}</b> <Link to="/commands">commands run</Link>
        </span>
      )}
    </div>
  );
}

function Number({ value, name }: { value: number | null | undefined; name: string }) {
  const text = value === undefined ? '…' : value === null ? '?' : whole(value);
  return (
    <span className={styles['number']}>
      <b>{text}</b> {name}
    </span>
  );
}

/** The fleet by a few labels; a value narrows the selector to it. */
export function Breakdown({
  counts,
  by,
  onValue,
}: {
  counts: AgentCountsJson | undefined;
  by: readonly string[];
  onValue: (label: string, value: string) => void;
}) {
  if (counts === undefined) return null;
  return (
    <div className={styles['breakdown']}>
      {by.map((label) => {
        const values = Object.entries(counts.labels[label] ?? {}).sort(([, one], [, other]) => other - one);
        if (values.length === 0) return null;
        return (
          <section key={label} className={styles['group']} aria-label={`By ${label}`}>
            <h2>by {label}</h2>
            {values.slice(0, MOST).map(([value, count]) => (
              <button key={value} type="button" className={styles['bar']} onClick={() => onValue(label, value)}>
                <i style={{ width: `${(count / Math.max(1, counts.total)) * 100}%` }} aria-hidden="true" />
                <span>
                  <VisibleText text={value === '' ? '(empty)' : value} max={60} />
                </span>
                <span>{whole(count)}</span>
              </button>
            ))}
          </section>
        );
      })}
    </div>
  );
}
