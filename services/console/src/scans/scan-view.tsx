import type { ScanJson } from '@muster/api-contract';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { LedgerBar } from '../ledger/ledger-bar.js';
import { ledgerSentence, querySegments } from '../ledger/segments.js';
import { useTime } from '../preferences/time.js';
import { plural, whole } from '../text/numbers.js';
import { Button, Select } from '../ui/controls.js';
import { Empty, Failure, Notice, Waiting } from '../ui/notice.js';
import { Severity } from '../ui/severity.js';
import { VisibleText } from '../ui/visible-text.js';
import { CheckDrawer } from './check-drawer.js';
import { checksOf, openFails, SHOWN, shownChecks, type ScannedCheck, type Shown } from './checks.js';
import { MissingDrawer } from './missing-drawer.js';
import { OutcomeBar } from './outcome-bar.js';
import { withoutVerdict } from './outcomes.js';
import { useContents, useFindingsSoFar, useScan } from './scan-data.js';
import { ScanTitle } from './scan-title.js';
import styles from './scans.module.css';

/** One scan: score, who was scanned, each check with its outcomes. The address has what is shown. */
export function ScanView({ scanId }: { scanId: string }) {
  const scan = useScan(scanId);
  if (scan.data === undefined)
    return scan.error === null ? (
      <Waiting what="Opening the scan…" />
    ) : (
      <Failure error={scan.error} onRetry={() => void scan.refetch()} />
    );
  return (
    <>
      {scan.error !== null && <Failure error={scan.error} onRetry={() => void scan.refetch()} />}
      <Scan scan={scan.data} />
    </>
  );
}

function Scan({ scan }: { scan: ScanJson }) {
  const [missing, setMissing] = useState<string>();
  const { contents, isOther } = useContents(scan);
  const findings = useFindingsSoFar(scan);
  const checks = useMemo(() => checksOf(scan, contents, findings), [scan, contents, findings]);
  const segments = querySegments(scan.ledger);
  return (
    <div className={styles['page']}>
      <ScanTitle scan={scan} />
      <LedgerBar segments={segments} targeted={scan.ledger.targeted} away={scan.ledger.away} onOpen={setMissing} />
      <p className="vh" role="status">
        {scan.recorded ? `${scan.state}: ${ledgerSentence(segments, scan.ledger.targeted)}` : ''}
      </p>
      <Notices scan={scan} isOther={isOther} />
      <Checks scan={scan} checks={checks} />
      {missing !== undefined && (
        <MissingDrawer scanId={scan.id} outcome={missing} ledger={scan.ledger} onClose={() => setMissing(undefined)} />
      )}
    </div>
  );
}

function Notices({ scan, isOther }: { scan: ScanJson; isOther: boolean }) {
  const { state, recorded, truncated, offline, waitUntil } = scan;
  const time = useTime();
  return (
    <>
      {state === 'running' && (
        <Notice>
          It runs. What fails so far is below; passes are counted at its end.
          {waitUntil !== undefined && ` It waits for absent endpoints until ${time.full(waitUntil)}.`}
        </Notice>
      )}
      {state !== 'running' && !recorded && <Notice>It has ended, and what it found is being counted.</Notice>}
      {state === 'interrupted' && (
        <Notice tone="warning">The service that ran it was lost. What came until then is counted.</Notice>
      )}
      {state === 'cancelled' && <Notice tone="warning">Cancelled. What came until then is counted.</Notice>}
      {truncated !== undefined && (
        <Notice tone="warning">
          Not everything was kept: <VisibleText text={truncated} max={300} />
        </Notice>
      )}
      {offline > 0 && waitUntil === undefined && (
        <Notice>{whole(offline)} more in scope are enrolled but were not connected.</Notice>
      )}
      {isOther && (
        <Notice>Another version of the pack is applied by now: its texts are shown where the check is the same.</Notice>
      )}
    </>
  );
}

function Checks({ scan, checks }: { scan: ScanJson; checks: readonly ScannedCheck[] }) {
  const search: { shown?: unknown; filter?: unknown; check?: unknown } = useSearch({ strict: false });
  const navigate = useNavigate();
  const shown = SHOWN.find(({ id }) => id === search.shown)?.id ?? 'open';
  const filter = typeof search.filter === 'string' ? search.filter : '';
  const go = (next: Record<string, string | undefined>): void => {
    const entries = Object.entries({ ...search, ...next }).filter(([, value]) => value !== undefined && value !== '');
    const to = {
      to: '/scans/$scanId',
      params: { scanId: scan.id },
      search: Object.fromEntries(entries) as never,
    } as const;
    void navigate({ ...to, replace: true });
  };
  const rows = shownChecks(checks, shown, filter);
  const open = checks.find(({ id }) => id === search.check);
  const failing = checks.filter((check) => openFails(check) > 0).length;
  return (
    <>
      <div className={styles['tools']}>
        <input
          className={styles['filter']}
          aria-label="Filter checks"
          placeholder="filter: words of title, severity or tag"
          data-slash
          spellCheck={false}
          value={filter}
          onChange={({ target }) => go({ filter: target.value })}
        />
        <Select
          label="Which checks"
          isLabelHidden
          value={shown}
          choices={SHOWN.map((choice) => ({ ...choice }))}
          onChange={(id) => go({ shown: id === 'open' ? undefined : id })}
        />
        <span className={styles['soft']}>
          {whole(failing)} of {plural(checks.length, 'check')} {failing === 1 ? 'fails' : 'fail'} somewhere
        </span>
        <Changes scan={scan} onShown={(id) => go({ shown: id })} />
      </div>
      {rows.length === 0 ? (
        <Empty title={emptyTitle(scan, shown, filter)}>
          <p>
            {checks.length === 0 ? 'The checks appear when they are counted.' : 'Choose all checks to see what passes.'}
          </p>
        </Empty>
      ) : (
        <div className={styles['list']}>
          <Grid
            label="Checks"
            columns={COLUMNS}
            length={rows.length}
            rowAt={(place) => rows[place]}
            onOpen={({ id }) => go({ check: id })}
          />
        </div>
      )}
      {open !== undefined && <CheckDrawer scan={scan} check={open} onClose={() => go({ check: undefined })} />}
    </>
  );
}

function emptyTitle({ recorded }: ScanJson, shown: Shown, filter: string): string {
  if (filter !== '') return 'No check has these words';
  if (!recorded) return 'Nothing fails so far';
  if (shown === 'excepted') return 'No exception was used';
  return shown === 'changed' ? 'Nothing changed' : 'Nothing fails';
}

/** What changed since the scan before it. */
function Changes({ scan: { previous, changes }, onShown }: { scan: ScanJson; onShown: (shown: Shown) => void }) {
  if (previous === undefined || changes === undefined) return null;
  const { fails, mended, still, spreads = [] } = changes;
  return (
    <span className={styles['changes']}>
      <Link to="/scans/$scanId" params={{ scanId: previous.id }}>
        Since the scan before:
      </Link>
      <Button small onPress={() => onShown('changed')}>
        {plural(fails.length, 'check')} {fails.length === 1 ? 'fails' : 'fail'} now,
        {spreads.length > 0 && ` ${spreads.length} on more,`} {mended.length} mended
      </Button>
      {still.length} still {still.length === 1 ? 'fails' : 'fail'}
    </span>
  );
}

const CHANGES = { fails: 'fails now', spreads: 'on more', mended: 'mended', still: '' } as const;

const COLUMNS: readonly GridColumn<ScannedCheck>[] = [
  { id: 'severity', name: 'severity', size: 84, cell: ({ severity }) => <Severity severity={severity} /> },
  { id: 'title', name: 'what is right when it passes', size: 340, cell: ({ title }) => <VisibleText text={title} /> },
  { id: 'fail', name: 'fail', size: 70, isNumber: true, cell: ({ fail }) => <b>{whole(fail)}</b> },
  { id: 'bar', name: 'outcomes', size: 170, cell: (check) => <OutcomeBar counts={check} /> },
  { id: 'pass', name: 'pass', size: 70, isNumber: true, cell: ({ pass }) => whole(pass) },
  {
    id: 'excepted',
    name: 'excepted',
    size: 80,
    isNumber: true,
    cell: ({ excepted }) => (excepted === 0 ? '' : whole(excepted)),
  },
  { id: 'na', name: 'not appl.', size: 78, isNumber: true, cell: ({ not_applicable: count }) => whole(count) },
  { id: 'none', name: 'no verdict', size: 92, isNumber: true, cell: (check) => whole(withoutVerdict(check)) },
  {
    id: 'change',
    name: 'change',
    size: 80,
    cell: ({ change }) => (change === undefined ? '' : <span data-change={change}>{CHANGES[change]}</span>),
  },
  { id: 'id', name: 'check', size: 220, isMono: true, cell: ({ id }) => id },
];
