import type { ServiceJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { whole } from '../text/numbers.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { Table } from './table.js';
import styles from './settings.module.css';

const REFRESH_MS = 5_000;
const STATES: Readonly<Record<ServiceJson['state'], string>> = {
  ok: 'running',
  draining: 'stopping in order',
  silent: 'silent',
};

/** Gateways and services with their versions, and how they fare now. */
export function Services() {
  const time = useTime();
  const services = useQuery({
    queryKey: ['services'],
    queryFn: ({ signal }) => client.call('GET /v1/services', { signal }),
    refetchInterval: REFRESH_MS,
  });
  const { items = [], inDoubt = false } = services.data ?? {};
  const versions = [...new Set(items.flatMap(({ version }) => version ?? []))].toSorted();
  return (
    <section className={styles['section']} aria-label="Gateways and services">
      <h2>Gateways and services</h2>
      {services.data === undefined && services.error === null && <Waiting what="Asking them…" />}
      {services.error !== null && <Failure error={services.error} onRetry={() => void services.refetch()} />}
      {versions.length > 1 && (
        <Notice tone="warning">
          Several versions run: {versions.join(', ')}. That is as it should be during an upgrade only.
        </Notice>
      )}
      {inDoubt && (
        <Notice tone="warning">
          There may be further ones, and silent ones may run: Redis, NATS or this API has just come back.
        </Notice>
      )}
      {items.length > 0 && (
        <Table heads={['what', 'id', 'state', 'version', 'since', 'sessions']}>
          {items.map(({ kind, id, state, version, startedAt, sessions }) => (
            <tr key={`${kind} ${id}`}>
              <td>{kind}</td>
              <td className={styles['mono']}>
                <VisibleText text={id} max={60} />
              </td>
              <td>
                <span className={styles['state']} data-service={state}>
                  {STATES[state]}
                </span>
              </td>
              <td>{version ?? 'not known'}</td>
              <td>{startedAt === undefined ? '' : time.full(startedAt)}</td>
              <td className={styles['number']}>{sessions === undefined ? '' : whole(sessions)}</td>
            </tr>
          ))}
        </Table>
      )}
      <p className={styles['note']}>
        Silent ones were heard in the last ten minutes, or their lease has lapsed in the last two. Of APIs the one that
        answers is listed.
      </p>
    </section>
  );
}
