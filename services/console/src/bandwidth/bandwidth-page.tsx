import type { ChannelBandwidthJson, EndpointBandwidthJson, EndpointsBandwidthJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { client } from '../api/client.js';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { LedgerBar } from '../ledger/ledger-bar.js';
import { querySegments } from '../ledger/segments.js';
import { useTime } from '../preferences/time.js';
import { SelectorBox, selectorFault } from '../selector/selector-box.js';
import { bytes, plural, whole } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { Failure, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './bandwidth.module.css';

const PURPOSES = ['session', 'heartbeat', 'query', 'command', 'metrics', 'transport'] as const;

/** Bandwidth: what endpoints have carried at their sockets, Live against Poll. */
export default function BandwidthPage() {
  const [text, setText] = useState('');
  const [selector, setSelector] = useState('');
  const bandwidth = useQuery({
    queryKey: ['bandwidth', selector],
    queryFn: ({ signal }) =>
      client.call('GET /v1/bandwidth/endpoints', { query: { selector, top: 200, timeout: '10s' }, signal }),
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
  const show = (): void => {
    if (selectorFault(text) !== undefined) return;
    if (text === selector) void bandwidth.refetch();
    else setSelector(text);
  };
  return (
    <div className={styles['page']}>
      <h1>Bandwidth</h1>
      <div className={styles['tools']}>
        <SelectorBox value={text} onChange={setText} onEnter={show} />
        <Button look="primary" isDisabled={bandwidth.isFetching} onPress={show}>
          {bandwidth.isFetching ? 'Asking…' : 'Ask endpoints'}
        </Button>
      </div>
      {bandwidth.error !== null && <Failure error={bandwidth.error} onRetry={() => void bandwidth.refetch()} />}
      {bandwidth.data === undefined && bandwidth.error === null && (
        <Waiting what="Asking endpoints what they carried…" />
      )}
      {bandwidth.data !== undefined && <Carried told={bandwidth.data} />}
    </div>
  );
}

function Carried({ told }: { told: EndpointsBandwidthJson }) {
  const { total, query, endpoints } = told;
  const navigate = useNavigate();
  const time = useTime();
  const columns = useMemo<readonly GridColumn<EndpointBandwidthJson>[]>(
    () => [
      {
        id: 'host',
        name: 'host',
        size: 200,
        cell: ({ host, num }) => <VisibleText text={host ?? `#${num}`} max={80} />,
      },
      { id: 'bytes', name: 'carried', size: 100, isNumber: true, cell: (one) => bytes(one.bytes) },
      { id: 'live', name: 'Live, an hour', size: 120, isNumber: true, cell: ({ live }) => anHour(live?.bytesPerHour) },
      { id: 'poll', name: 'Poll, an hour', size: 120, isNumber: true, cell: ({ poll }) => anHour(poll?.bytesPerHour) },
      { id: 'since', name: 'since', size: 164, cell: ({ since }) => time.full(since) },
    ],
    [time],
  );
  const most = Math.max(total.live.bytesPerHour ?? 0, total.poll.bytesPerHour ?? 0, 1);
  return (
    <>
      <section className={styles['compare']} aria-label="Live against Poll">
        <Channel name="Live" channel={total.live} most={most} />
        <Channel name="Poll" channel={total.poll} most={most} />
        <p className={styles['soft']}>
          {total.pollToLive === null
            ? 'Both channels must have been used to compare them.'
            : `Poll carries ${total.pollToLive.toFixed(1)} times the bytes of Live, for one endpoint and one hour.`}
        </p>
      </section>
      <LedgerBar segments={querySegments(query.ledger)} targeted={query.ledger.targeted} />
      <h2>The {whole(endpoints.length)} with the most</h2>
      <div className={styles['list']}>
        <Grid
          label="Endpoints by bytes"
          columns={columns}
          length={endpoints.length}
          rowAt={(place) => endpoints[place]}
          onOpen={({ agentId }) => agentId !== null && void navigate({ to: '/fleet/$agentId', params: { agentId } })}
        />
      </div>
    </>
  );
}

function Channel({ name, channel, most }: { name: string; channel: ChannelBandwidthJson; most: number }) {
  const perHour = channel.bytesPerHour;
  return (
    <div className={styles['channel']}>
      <b>{name}</b>
      <div className={styles['track']} aria-hidden="true">
        <div className={styles['fill']} data-channel={name} style={{ width: `${((perHour ?? 0) / most) * 100}%` }} />
      </div>
      <span>{perHour === null ? 'not used' : `${bytes(perHour)} an hour and endpoint`}</span>
      <span className={styles['soft']}>
        {plural(channel.endpoints, 'endpoint')};{' '}
        {PURPOSES.flatMap((purpose) => {
          const carried = channel.purposes[purpose];
          return carried === undefined ? [] : [`${purpose} ${bytes(carried.bytesUp + carried.bytesDown)}`];
        }).join(', ')}
      </span>
    </div>
  );
}

function anHour(perHour: number | null | undefined): string {
  return perHour === null || perHour === undefined ? '' : bytes(perHour);
}
