import type { FindingJson, ScanEndpointJson, ScanJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Suspense, useState } from 'react';
import { client } from '../api/client.js';
import { EMPTY_DRAFT, keepDraft } from '../ask/draft.js';
import { AcceptDialog } from '../exceptions/accept-dialog.js';
import { selectorOf } from '../exceptions/until.js';
import { useCan } from '../session/session.js';
import { plural, whole } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { lazyPart } from '../ui/lazy-part.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { Severity } from '../ui/severity.js';
import { VisibleText } from '../ui/visible-text.js';
import type { ScannedCheck } from './checks.js';
import { failingSql, selectorFor } from './failing-sql.js';
import { Finding } from './finding.js';
import { OutcomeBar } from './outcome-bar.js';
import { OUTCOMES } from './outcomes.js';
import { ScanEndpoints } from './scan-endpoints.js';
import styles from './scans.module.css';

const MendPanel = lazyPart(() => import('./mend-panel.js').then(({ MendPanel: component }) => component));

type Verdict = ScanEndpointJson['outcome'];

/** One check of a scan: its outcomes, what fails with its evidence and endpoints, and how to mend it. */
export function CheckDrawer({ scan, check, onClose }: { scan: ScanJson; check: ScannedCheck; onClose: () => void }) {
  const [isMending, setMending] = useState(false);
  const [accepting, setAccepting] = useState<string>();
  const can = useCan();
  const navigate = useNavigate();
  const { pack } = check;
  const sql = pack === undefined ? undefined : failingSql(pack);
  const canMend = pack?.action !== undefined && scan.recorded && check.fail > 0 && can('commands:run');
  if (isMending && pack !== undefined)
    return (
      <Suspense>
        <MendPanel scan={scan} check={pack} onClose={() => setMending(false)} />
      </Suspense>
    );
  if (accepting !== undefined)
    return (
      <AcceptDialog pack={scan.pack.id} check={check.id} selector={accepting} onClose={() => setAccepting(undefined)} />
    );
  return (
    <Panel kind="drawer" title={<VisibleText text={check.title} max={200} />} onClose={onClose}>
      <CheckFacts check={check} />
      {pack?.description !== undefined && (
        <p>
          <VisibleText text={pack.description} max={4_000} />
        </p>
      )}
      <OutcomeBar counts={check} />
      <Outcomes scan={scan} check={check} />
      {pack?.remediation !== undefined && (
        <div className={styles['mend']}>
          <b>To mend it</b>
          <p>
            <VisibleText text={pack.remediation} max={4_000} />
          </p>
        </div>
      )}
      <div className={styles['tools']}>
        {sql !== undefined && pack !== undefined && can('queries:run') && (
          <Button
            small
            onPress={() => {
              keepDraft({ ...EMPTY_DRAFT, sql, selector: selectorFor(scan.selector, pack) });
              void navigate({ to: '/ask' });
            }}
          >
            Ask what fails now
          </Button>
        )}
        {canMend && (
          <Button small onPress={() => setMending(true)}>
            Mend with {pack.action.name}…
          </Button>
        )}
      </div>
      <Findings
        scan={scan}
        check={check}
        onAccept={can('packs:apply') ? (finding) => setAccepting(selectorOf(finding, scan.selector)) : undefined}
      />
      {pack?.references !== undefined && <References references={pack.references} />}
    </Panel>
  );
}

function CheckFacts({ check }: { check: ScannedCheck }) {
  const { change, pack } = check;
  return (
    <div className={styles['facts']}>
      <Severity severity={check.severity} />
      <code>{check.id}</code>
      {pack !== undefined && <span className={styles['soft']}>{pack.platforms.join(', ')}</span>}
      {change === 'fails' && <b>fails now, and did not before</b>}
      {change === 'spreads' && <b>fails on more endpoints than before</b>}
      {change === 'mended' && <b>mended since the scan before</b>}
    </div>
  );
}

/** How many endpoints have each outcome; one that is opened lists them. */
function Outcomes({ scan, check }: { scan: ScanJson; check: ScannedCheck }) {
  const [shown, setShown] = useState<Verdict>();
  return (
    <>
      <div className={styles['counts']}>
        {OUTCOMES.filter(({ key }) => check[key] > 0).map(({ key, label, tone }) =>
          key === 'uncounted' ? (
            <span key={key}>
              <i data-tone={tone} aria-hidden="true" /> <b>{whole(check[key])}</b> {label}
            </span>
          ) : (
            <Button
              key={key}
              small
              aria-expanded={shown === key}
              onPress={() => setShown(shown === key ? undefined : key)}
            >
              <i data-tone={tone} aria-hidden="true" /> <b>{whole(check[key])}</b> {label}
            </Button>
          ),
        )}
        {check.excepted > 0 && <span>{whole(check.excepted)} of those that fail may, by exceptions</span>}
      </div>
      {shown !== undefined && (
        <ScanEndpoints
          key={shown}
          scan={scan}
          check={check.id}
          outcome={shown}
          label={OUTCOMES.find(({ key }) => key === shown)?.label ?? shown}
        />
      )}
    </>
  );
}

function Findings({ scan, check, onAccept }: { scan: ScanJson; check: ScannedCheck; onAccept: OnAccept }) {
  const { id } = scan;
  const findings = useQuery({
    queryKey: ['scan', id, 'findings', check.id, scan.recorded],
    queryFn: ({ signal }) =>
      client.call('GET /v1/scans/{id}/findings', { params: { id }, query: { check: check.id }, signal }),
    ...(scan.recorded ? { staleTime: Infinity } : { refetchInterval: 3_000 }),
  });
  if (findings.error !== null)
    return (
      <>
        <Failure error={findings.error} onRetry={() => void findings.refetch()} />
        <p className={styles['soft']}>Counts are kept longer than evidence. A new scan has it again.</p>
      </>
    );
  if (findings.data === undefined) return <Waiting what="Reading evidence…" />;
  const { items, isCut } = findings.data;
  const groups = [
    { name: 'What fails', items: items.filter(({ outcome }) => outcome === 'fail') },
    {
      name: 'Without a verdict',
      items: items.filter(({ outcome }) => outcome === 'error' || outcome === 'over_budget'),
    },
    { name: 'Not applicable', items: items.filter(({ outcome }) => outcome === 'not_applicable') },
  ];
  return (
    <>
      {groups.map(
        ({ name, items: some }) => some.length > 0 && <Group key={name} name={name} items={some} onAccept={onAccept} />,
      )}
      {isCut && <Notice tone="warning">There is more evidence than is shown.</Notice>}
    </>
  );
}

const MOST = 100;

type OnAccept = ((finding: FindingJson) => void) | undefined;

function Group({ name, items, onAccept }: { name: string; items: readonly FindingJson[]; onAccept: OnAccept }) {
  const endpoints = items.reduce((sum, one) => sum + one.endpoints, 0);
  return (
    <section aria-label={name} className={styles['findings']}>
      <h3>
        {name}: {plural(endpoints, 'endpoint')}
        {items.length > 1 && <span className={styles['soft']}>, in {whole(items.length)} ways</span>}
      </h3>
      {items.slice(0, MOST).map((finding, at) => (
        <Finding
          key={at}
          finding={finding}
          onAccept={onAccept === undefined || !isOpen(finding) ? undefined : () => onAccept(finding)}
        />
      ))}
      {items.length > MOST && <p className={styles['soft']}>and {whole(items.length - MOST)} more ways</p>}
    </section>
  );
}

/** Whether it fails somewhere where no exception allows it. */
function isOpen({ outcome, endpoints, exceptions }: FindingJson): boolean {
  return outcome === 'fail' && exceptions.reduce((sum, one) => sum + one.endpoints, 0) < endpoints;
}

function References({ references }: { references: Readonly<Record<string, readonly string[]>> }) {
  return (
    <p className={styles['soft']}>
      {Object.entries(references).map(([kind, names]) => (
        <span key={kind} className={styles['reference']}>
          {kind.toUpperCase()} <VisibleText text={names.join(', ')} max={300} />
        </span>
      ))}
    </p>
  );
}
