import type { AuditRecordJson } from '@muster/api-contract';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { client } from '../api/client.js';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { useTime } from '../preferences/time.js';
import { plural } from '../text/numbers.js';
import { visible } from '../text/visible.js';
import { Button, Select, TextField } from '../ui/controls.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import { hashOf } from './record-hash.js';
import { verifyChain } from './verify-chain.js';
import styles from './audit.module.css';

const OUTCOMES = [
  { id: '', label: 'any outcome' },
  { id: 'allowed', label: 'allowed' },
  { id: 'refused', label: 'refused' },
  { id: 'failed', label: 'failed' },
];
type Outcome = 'allowed' | 'refused' | 'failed';

/** Audit: who did what, newest first, and whether the record is whole. */
export default function AuditPage() {
  const time = useTime();
  const [actor, setActor] = useState('');
  const [action, setAction] = useState('');
  const [outcome, setOutcome] = useState('');
  const [open, setOpen] = useState<AuditRecordJson>();
  const pages = useInfiniteQuery({
    queryKey: ['audit', actor, action, outcome],
    queryFn: ({ pageParam, signal }) => {
      const query = {
        limit: 500,
        ...(actor.trim() === '' ? {} : { actor: actor.trim() }),
        ...(action.trim() === '' ? {} : { action: action.trim() }),
        ...(outcome === '' ? {} : { outcome: outcome as Outcome }),
        ...(pageParam === '' ? {} : { cursor: pageParam }),
      };
      return client.call('GET /v1/audit', { query, signal });
    },
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor,
  });
  const items = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.items), [pages.data]);
  const columns = useMemo<readonly GridColumn<AuditRecordJson>[]>(
    () => [
      { id: 'at', name: 'at', size: 164, cell: ({ at }) => time.full(at) },
      {
        id: 'who',
        name: 'who',
        size: 160,
        cell: ({ actorName, actor: id }) => <VisibleText text={actorName || id} max={80} />,
      },
      { id: 'action', name: 'action', size: 170, cell: (one) => one.action },
      { id: 'outcome', name: 'outcome', size: 90, cell: (one) => one.outcome },
      { id: 'subject', name: 'on', size: 230, cell: ({ subject = '' }) => <VisibleText text={subject} max={120} /> },
      { id: 'scope', name: 'scope', size: 200, cell: ({ scope = '' }) => <VisibleText text={scope} max={120} /> },
      { id: 'code', name: 'code', size: 130, cell: ({ code = '' }) => code },
      { id: 'from', name: 'from', size: 140, cell: ({ from }) => <VisibleText text={from} max={60} /> },
    ],
    [time],
  );
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  return (
    <div className={styles['page']}>
      <h1>Audit</h1>
      <Verify />
      <div className={styles['tools']}>
        <TextField label="Who" value={actor} onChange={setActor} placeholder="name or id" />
        <TextField label="Action" value={action} onChange={setAction} placeholder="query, command.submit" />
        <Select label="Outcome" value={outcome} choices={OUTCOMES} onChange={setOutcome} />
      </div>
      {pages.error !== null && <Failure error={pages.error} onRetry={() => void pages.refetch()} />}
      {pages.data === undefined && pages.error === null && <Waiting what="Reading the audit record…" />}
      <div className={styles['list']}>
        <Grid
          label="Audit records"
          columns={columns}
          length={items.length}
          rowAt={(place) => items[place]}
          onLook={(_, to) => {
            if (to > items.length && hasNextPage && !isFetchingNextPage) void fetchNextPage();
          }}
          onOpen={setOpen}
        />
      </div>
      <p className={styles['soft']}>
        {plural(items.length, 'record')} read{hasNextPage && ', older ones follow as you scroll'}
      </p>
      {open !== undefined && (
        <Panel kind="drawer" title={`${open.action}, record ${open.seq}`} onClose={() => setOpen(undefined)}>
          <pre className={styles['record']}>{visible(JSON.stringify(open, null, 2)).replaceAll('\\n', '\n')}</pre>
        </Panel>
      )}
    </div>
  );
}

/** Reads the whole chain, and computes every hash in this browser. */
function Verify() {
  const [progress, setProgress] = useState(0);
  const verify = useMutation({
    mutationFn: () => verifyChain(client.lines('GET /v1/audit/chain'), hashOf, setProgress),
  });
  const report = verify.data;
  return (
    <div className={styles['verify']}>
      <Button isDisabled={verify.isPending} onPress={() => verify.mutate()}>
        {verify.isPending ? `Verifying… ${progress}` : 'Verify the chain'}
      </Button>
      {verify.error !== null && <Failure error={verify.error} />}
      {report !== undefined && report.faults.length === 0 && (
        <Notice>
          {plural(report.records, 'record')}, whole. Head <code>{report.head}</code>: keep it elsewhere to see later
          that the end was not cut off.
        </Notice>
      )}
      {report !== undefined && report.faults.length > 0 && (
        <Notice tone="danger">
          The chain is broken. {report.faults.slice(0, 5).map(({ seq, message }) => `Record ${seq} ${message}. `)}
          {report.faults.length > 5 && `${report.faults.length - 5} more.`}
        </Notice>
      )}
      <span className={styles['soft']}>
        <code>muster audit verify</code> also compares it with the command journal.
      </span>
    </div>
  );
}
