import type { ScheduleJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { client } from '../api/client.js';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { useTime, type TimeFormat } from '../preferences/time.js';
import { useCan } from '../session/session.js';
import { Button } from '../ui/controls.js';
import { Empty, Failure, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { NewSchedule } from './new-schedule.js';
import { ScheduleDrawer } from './schedule-drawer.js';
import { firingText } from './schedule-text.js';
import styles from './schedules.module.css';

const REFRESH_MS = 15_000;

/** Scans that start by themselves: when they do next, and what became of the last moment. The address has which one is open. */
export function Schedules({ packs }: { packs: readonly string[] }) {
  const can = useCan();
  const time = useTime();
  const navigate = useNavigate();
  const search: Record<string, unknown> = useSearch({ strict: false });
  const [isMaking, setMaking] = useState(false);
  const schedules = useQuery({
    queryKey: ['schedules'],
    queryFn: ({ signal }) => client.call('GET /v1/schedules', { signal }),
    refetchInterval: REFRESH_MS,
  });
  const items = schedules.data?.items;
  const open = items?.find(({ id }) => id === search['schedule']);
  const columns = useMemo(() => columnsOf(time), [time]);
  const show = (id: string | undefined): void =>
    void navigate({
      to: '/scans',
      search: { tab: 'schedules', ...(id === undefined ? {} : { schedule: id }) } as never,
      replace: true,
    });
  return (
    <>
      {can('queries:run') && packs.length > 0 && (
        <div className={styles['tools']}>
          <Button onPress={() => setMaking(true)}>New schedule…</Button>
        </div>
      )}
      {schedules.error !== null && <Failure error={schedules.error} onRetry={() => void schedules.refetch()} />}
      {items === undefined && schedules.error === null && <Waiting what="Reading schedules…" />}
      {items?.length === 0 && (
        <Empty title="No scan starts by itself">
          <p>
            A schedule runs a pack again and again, in the name of who made it, at moments that a cron expression names.
          </p>
        </Empty>
      )}
      {items !== undefined && items.length > 0 && (
        <div className={styles['list']}>
          <Grid
            label="Schedules"
            columns={columns}
            length={items.length}
            rowAt={(place) => items[place]}
            onOpen={({ id }) => show(id)}
          />
        </div>
      )}
      {open !== undefined && <ScheduleDrawer schedule={open} onClose={() => show(undefined)} />}
      {isMaking && <NewSchedule packs={packs} onClose={() => setMaking(false)} />}
    </>
  );
}

function columnsOf(time: TimeFormat): readonly GridColumn<ScheduleJson>[] {
  return [
    {
      id: 'name',
      name: 'name',
      size: 180,
      cell: ({ name }) => (
        <b>
          <VisibleText text={name} max={100} />
        </b>
      ),
    },
    { id: 'state', name: 'state', size: 76, cell: ({ state }) => state },
    { id: 'next', name: 'next', size: 164, cell: ({ nextAt }) => (nextAt === undefined ? '–' : time.full(nextAt)) },
    {
      id: 'last',
      name: 'last',
      size: 164,
      cell: ({ firings: [last] }) => (last === undefined ? '–' : time.full(last.at)),
    },
    {
      id: 'outcome',
      name: 'outcome',
      size: 220,
      cell: ({ firings: [last] }) => (last === undefined ? '' : <VisibleText text={firingText(last)} max={120} />),
    },
    { id: 'pack', name: 'pack', size: 150, cell: ({ pack }) => pack },
    {
      id: 'selector',
      name: 'of',
      size: 180,
      isMono: true,
      cell: ({ selector }) => <VisibleText text={selector === '' ? 'all endpoints' : selector} max={100} />,
    },
    { id: 'cron', name: 'moments', size: 130, isMono: true, cell: ({ cron }) => cron },
    { id: 'zone', name: 'time zone', size: 120, cell: ({ timeZone }) => timeZone },
    { id: 'by', name: 'by', size: 120, cell: ({ createdBy }) => <VisibleText text={createdBy.name} max={60} /> },
  ];
}
