import type { VulnerabilityScanJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client } from '../api/client.js';
import { plural } from '../text/numbers.js';
import { Failure, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import { rangeText, silentOf } from './not-known.js';
import styles from './vulnerabilities.module.css';

/** Packages of which nobody knows whether they are vulnerable, and endpoints that did not say what they have. */
export function NotKnownDrawer({ scanId, onClose }: { scanId: string; onClose: () => void }) {
  const scan = useQuery({
    queryKey: ['vulnerability-scan', scanId],
    queryFn: ({ signal }) => client.call('GET /v1/vulnerability-scans/{id}', { params: { id: scanId }, signal }),
  });
  return (
    <Panel kind="drawer" title="What is not known" onClose={onClose}>
      {scan.error !== null && <Failure error={scan.error} onRetry={() => void scan.refetch()} />}
      {scan.data === undefined && scan.error === null && <Waiting what="Opening it…" />}
      {scan.data !== undefined && (
        <>
          <p className={styles['soft']}>None of these counts as safe.</p>
          {(scan.data.notKnown ?? []).map((one) => (
            <Unknown key={`${one.ecosystem}/${one.reason}`} of={one} />
          ))}
          <Questions questions={scan.data.questions} />
        </>
      )}
    </Panel>
  );
}

function Unknown({ of }: { of: NonNullable<VulnerabilityScanJson['notKnown']>[number] }) {
  const { ecosystem, reason, packages, endpointsAtLeast, endpointsAtMost, sample } = of;
  return (
    <div className={styles['finding']}>
      <b>
        <VisibleText text={ecosystem} max={120} />
      </b>
      <VisibleText text={reason} max={400} />
      <span>
        {packages > 0 && `${plural(packages, 'package')}, `}
        {rangeText(endpointsAtLeast, endpointsAtMost)} {endpointsAtMost === 1 ? 'endpoint' : 'endpoints'}
      </span>
      {sample.length > 0 && (
        <code className={styles['said']}>
          <VisibleText text={sample.join(', ')} max={600} />
        </code>
      )}
    </div>
  );
}

function Questions({ questions }: Pick<VulnerabilityScanJson, 'questions'>) {
  return (
    <section aria-label="Questions" className={styles['findings']}>
      <h3>What the endpoints were asked</h3>
      {questions.map((question) => (
        <span key={question.query}>
          <Link to="/ask/$queryId" params={{ queryId: question.query }}>
            {question.kind}
          </Link>
          : {question.state}
          {question.ledger !== undefined &&
            `, ${plural(silentOf(question), 'endpoint')} of ${question.ledger.targeted} did not answer`}
        </span>
      ))}
    </section>
  );
}
