import type { EnrolmentSecretJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { plural, whole } from '../text/numbers.js';
import { Empty, Failure, Notice, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { Table } from './table.js';
import styles from './settings.module.css';

const STATES: Readonly<Record<EnrolmentSecretJson['state'], string>> = {
  active: 'active',
  expired: 'expired',
  full: 'full',
  gone: 'at no gateway any more',
  unknown: 'not known',
};
const AT: Readonly<Record<EnrolmentSecretJson['gateways'], string>> = { all: 'all', some: 'some only', none: 'none' };

/** With which secrets endpoints enrol, and how many have. The secrets themselves are at the gateways, and nowhere else. */
export function Enrolment() {
  const secrets = useQuery({
    queryKey: ['enrolment-secrets'],
    queryFn: ({ signal }) => client.call('GET /v1/enrolment-secrets', { signal }),
  });
  const { data, error } = secrets;
  return (
    <section className={styles['section']} aria-label="Enrolment secrets">
      <h2>Enrolment secrets</h2>
      {data === undefined && error === null && <Waiting what="Asking gateways…" />}
      {error !== null && <Failure error={error} onRetry={() => void secrets.refetch()} />}
      {data?.complete === false && (
        <Notice tone="warning">
          It is not known whether all gateways have answered: there may be further secrets, or other bounds.
        </Notice>
      )}
      {data?.items.length === 0 && (
        <Empty
          title={
            data.complete ? 'No endpoint can enrol: no gateway has a secret of this org' : 'No secret is known now'
          }
        />
      )}
      {data !== undefined && data.items.length > 0 && (
        <Table heads={['name', 'state', 'enrolled', 'expires', 'a minute', 'labels', 'at gateways']}>
          {data.items.map((secret) => (
            <Secret key={secret.name} {...secret} />
          ))}
        </Table>
      )}
      {data !== undefined && data.unnamed > 0 && (
        <p className={styles['note']}>{plural(data.unnamed, 'endpoint')} enrolled before secrets were kept by name.</p>
      )}
      <p className={styles['note']}>
        To make one: <code>muster keys enroll-secret</code> prints it, this once. Put it into{' '}
        <code>MUSTER_ENROLL_SECRETS_FILE</code> of every gateway, with a name and bounds; gateways read the file again
        by themselves. Only they have the texts, so none can be shown or made here.
      </p>
    </section>
  );
}

function Secret({
  name,
  state,
  identities,
  maxIdentities,
  expiresAt,
  perMinute,
  labels = {},
  gateways,
}: EnrolmentSecretJson) {
  const time = useTime();
  const pairs = Object.entries(labels).map((pair) => pair.join('='));
  return (
    <tr>
      <td>{name.startsWith('~') ? `without a name (${name})` : name}</td>
      <td>
        <span className={styles['state']} data-secret={state}>
          {STATES[state]}
        </span>
      </td>
      <td className={styles['number']}>
        {whole(identities)}
        {maxIdentities !== undefined && ` of ${whole(maxIdentities)}`}
      </td>
      <td>
        {expiresAt === undefined ? (state === 'gone' || state === 'unknown' ? '' : 'never') : time.full(expiresAt)}
      </td>
      <td className={styles['number']}>{perMinute === undefined ? '' : whole(perMinute)}</td>
      <td>
        <VisibleText text={pairs.join(' ')} max={120} />
      </td>
      <td>{AT[gateways]}</td>
    </tr>
  );
}
