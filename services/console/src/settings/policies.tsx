import { useQuery } from '@tanstack/react-query';
import { client } from '../api/client.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { policyRows } from './policy-rows.js';
import { Table } from './table.js';
import styles from './settings.module.css';

/** The policies as they are in force for the org. They are files of the services: nothing is changed here. */
export function Policies() {
  const policies = useQuery({
    queryKey: ['policies'],
    queryFn: ({ signal }) => client.call('GET /v1/policies', { signal }),
  });
  const { data, error } = policies;
  return (
    <section className={styles['section']} aria-label="Policies">
      <h2>Policies in force</h2>
      {data === undefined && error === null && <Waiting what="Reading policies…" />}
      {error !== null && <Failure error={error} onRetry={() => void policies.refetch()} />}
      {data?.commands === null && (
        <Notice tone="warning">
          No command service says what its policy is: approvals and limits are not in this list.
        </Notice>
      )}
      {data !== undefined && (
        <Table heads={['policy', 'of', 'what it asks for']}>
          {policyRows(data).map(({ policy, of, asks }) => (
            <tr key={`${policy} ${of} ${asks}`}>
              <td>{policy}</td>
              <td className={styles['words']}>
                <VisibleText text={of} max={400} />
              </td>
              <td className={styles['words']}>{asks}</td>
            </tr>
          ))}
        </Table>
      )}
      {data?.commands?.approval.length === 0 && <p className={styles['note']}>No command needs a second person.</p>}
      {data?.reauthentication.length === 0 && <p className={styles['note']}>Nothing needs a recent sign-in.</p>}
      <p className={styles['note']}>
        They come from files and settings of the API (<code>MUSTER_API_POLICY_FILE</code>) and of command services (
        <code>MUSTER_COMMAND_POLICY_FILE</code>).
      </p>
    </section>
  );
}
