import type { VulnerabilityJson } from '@muster/api-contract';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { client } from '../api/client.js';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { percent, whole } from '../text/numbers.js';
import { Checkbox, Select } from '../ui/controls.js';
import { Empty, Failure, Waiting } from '../ui/notice.js';
import { Severity } from '../ui/severity.js';
import { VisibleText } from '../ui/visible-text.js';
import { filterQuery, readFilters, SEVERITIES, type Filters } from './filters.js';
import { rangeText } from './not-known.js';
import { useVulnerabilityScans } from './use-scans.js';
import { VulnerabilityDrawer } from './vulnerability-drawer.js';
import { VulnerabilityScans } from './vulnerability-scans.js';
import styles from './vulnerabilities.module.css';

const PAGE = 500;
const SETTLE_MS = 250;

/** Vulnerable software by what matters: what is exploited, then what probably will be. The address has the filters. */
export function Vulnerabilities() {
  const search: Record<string, unknown> = useSearch({ strict: false });
  const navigate = useNavigate();
  const filters = readFilters(search);
  const go = (next: Record<string, string | undefined>): void => {
    const entries = Object.entries({ ...search, ...next }).filter(([, value]) => value !== undefined && value !== '');
    void navigate({ to: '/scans', search: Object.fromEntries(entries) as never, replace: true });
  };
  const open = typeof search['vulnerability'] === 'string' ? search['vulnerability'] : undefined;
  const { shown, isRead } = useVulnerabilityScans();
  return (
    <>
      <VulnerabilityScans />
      {shown !== undefined && <List scan={shown.id} filters={filters} go={go} />}
      {shown === undefined && isRead && (
        <Empty title="No scan for vulnerabilities has ended yet">
          <p>
            An admin imports feeds with <code>muster feed import</code>; a scan compares the software of endpoints with
            them.
          </p>
        </Empty>
      )}
      {open !== undefined && shown !== undefined && (
        <VulnerabilityDrawer scan={shown.id} id={open} onClose={() => go({ vulnerability: undefined })} />
      )}
    </>
  );
}

interface ListProps {
  readonly scan: string;
  readonly filters: Filters;
  readonly go: (next: Record<string, string | undefined>) => void;
}

function List({ scan, filters, go }: ListProps) {
  const pages = useVulnerabilities(scan, useSettled(filters));
  const items = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.items), [pages.data]);
  const [first] = pages.data?.pages ?? [];
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  return (
    <>
      <div className={styles['tools']}>
        <input
          className={styles['filter']}
          aria-label="Filter vulnerabilities"
          placeholder="CVE or package"
          data-slash
          spellCheck={false}
          value={filters.text}
          onChange={({ target }) => go({ filter: target.value })}
        />
        <Select
          label="Severity"
          isLabelHidden
          value={filters.severity}
          choices={SEVERITIES.map((choice) => ({ ...choice }))}
          onChange={(severity) => go({ severity })}
        />
        <Checkbox isSelected={filters.isExploited} onChange={(isOn) => go({ exploited: isOn ? 'yes' : undefined })}>
          exploited
        </Checkbox>
        <Checkbox isSelected={filters.isFixable} onChange={(isOn) => go({ fixable: isOn ? 'yes' : undefined })}>
          with a fix
        </Checkbox>
        {first !== undefined && (
          <span className={styles['soft']} role="status">
            {first.total === 1 ? '1 vulnerability' : `${whole(first.total)} vulnerabilities`}
          </span>
        )}
      </div>
      {pages.error !== null && <Failure error={pages.error} onRetry={() => void pages.refetch()} />}
      {first === undefined && pages.error === null && <Waiting what="Reading vulnerabilities…" />}
      {first !== undefined && items.length === 0 && (
        <Empty title="None is known that passes the filters">
          <p>That does not mean that there is none: what is not known is said above.</p>
        </Empty>
      )}
      {items.length > 0 && (
        <div className={styles['list']}>
          <Grid
            label="Vulnerabilities"
            columns={COLUMNS}
            length={items.length}
            rowAt={(place) => items[place]}
            onLook={(_, to) => {
              if (to > items.length && hasNextPage && !isFetchingNextPage) void fetchNextPage();
            }}
            onOpen={({ id }) => go({ vulnerability: id })}
          />
        </div>
      )}
    </>
  );
}

/** The same filters, but a text only when typing pauses. */
function useSettled(filters: Filters): Filters {
  const [text, setText] = useState(filters.text);
  useEffect(() => {
    const timer = setTimeout(() => setText(filters.text), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [filters.text]);
  return { ...filters, text };
}

function useVulnerabilities(scan: string, filters: Filters) {
  const query = { ...filterQuery(filters), scan };
  return useInfiniteQuery({
    queryKey: ['vulnerabilities', query],
    queryFn: ({ pageParam, signal }) =>
      client.call('GET /v1/vulnerabilities', {
        query: { ...query, limit: PAGE, ...(pageParam === '' ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor,
    placeholderData: (before) => before,
  });
}

const COLUMNS: readonly GridColumn<VulnerabilityJson>[] = [
  { id: 'severity', name: 'severity', size: 84, cell: ({ severity }) => <Severity severity={severity} /> },
  { id: 'id', name: 'id', size: 160, isMono: true, cell: ({ id }) => <VisibleText text={id} max={60} /> },
  {
    id: 'exploited',
    name: 'exploited',
    size: 96,
    cell: ({ knownExploited: known }) => (known === undefined ? '' : <b>{known.ransomware ? 'ransomware' : 'yes'}</b>),
  },
  {
    id: 'epss',
    name: 'EPSS',
    size: 70,
    isNumber: true,
    cell: ({ epss }) => (epss === undefined ? '' : percent(epss.probability)),
  },
  { id: 'cvss', name: 'CVSS', size: 64, isNumber: true, cell: ({ cvss }) => cvss?.score.toFixed(1) ?? '' },
  {
    id: 'endpoints',
    name: 'endpoints',
    size: 110,
    isNumber: true,
    cell: ({ endpointsAtLeast, endpointsAtMost }) => rangeText(endpointsAtLeast, endpointsAtMost),
  },
  { id: 'packages', name: 'packages', size: 80, isNumber: true, cell: ({ packages }) => whole(packages) },
  { id: 'fix', name: 'fix', size: 56, cell: ({ fixable }) => (fixable ? 'yes' : 'no') },
  {
    id: 'summary',
    name: 'what it is',
    size: 420,
    cell: ({ summary = '' }) => <VisibleText text={summary} max={300} />,
  },
];
