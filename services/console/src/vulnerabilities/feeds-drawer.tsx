import type { FeedJson } from '@muster/api-contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { useCan } from '../session/session.js';
import { plural, whole } from '../text/numbers.js';
import { ConfirmButton } from '../ui/confirm-button.js';
import { Empty, Failure, Notice, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './vulnerabilities.module.css';

const KINDS: Readonly<Record<FeedJson['kind'], string>> = {
  osv: 'vulnerabilities',
  epss: 'how probable it is that they are exploited',
  kev: 'those that are exploited',
  vex: 'statements that one does not count',
};

/** The feeds: what software is compared with, how old it is, and what of it could not be read. */
export function FeedsDrawer({ onClose }: { onClose: () => void }) {
  const feeds = useQuery({
    queryKey: ['feeds'],
    queryFn: ({ signal }) => client.call('GET /v1/feeds', { signal }),
  });
  return (
    <Panel kind="drawer" title="Feeds" onClose={onClose}>
      {feeds.error !== null && <Failure error={feeds.error} onRetry={() => void feeds.refetch()} />}
      {feeds.data === undefined && feeds.error === null && <Waiting what="Reading feeds…" />}
      {feeds.data?.items.length === 0 && (
        <Empty title="No feed is imported">
          <p>
            Without one no package is known. An admin imports them with <code>muster feed import</code>.
          </p>
        </Empty>
      )}
      {feeds.data?.items.map((feed) => (
        <Feed key={feed.name} feed={feed} />
      ))}
    </Panel>
  );
}

function Feed({ feed }: { feed: FeedJson }) {
  const { name, kind, records, withdrawn, refused, faults, ecosystems, newestRecordAt, importedAt, importedBy } = feed;
  const time = useTime();
  const can = useCan();
  const queryClient = useQueryClient();
  const remove = useMutation({
    mutationFn: () => client.call('DELETE /v1/feeds/{name}', { params: { name } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['feeds'] }),
  });
  return (
    <div className={styles['finding']}>
      <div>
        <b>{name}</b> <span className={styles['soft']}>{`${kind}, ${KINDS[kind]}`}</span>
      </div>
      <span>
        {plural(records, 'record')}
        {withdrawn > 0 && `, ${whole(withdrawn)} withdrawn`}
        {kind === 'osv' && `, ${plural(ecosystems, 'ecosystem')}`}
      </span>
      <span className={styles['soft']}>
        imported by <VisibleText text={importedBy.name} max={60} /> at {time.full(importedAt)}
        {newestRecordAt !== undefined && `; the newest record is of ${time.full(newestRecordAt)}`}
      </span>
      {refused > 0 && (
        <Notice tone="warning">
          {plural(refused, 'record')} could not be read: by this feed no package counts as not vulnerable.{' '}
          <VisibleText text={faults.join('; ')} max={400} />
        </Notice>
      )}
      {can('feeds:manage') && (
        <ConfirmButton
          what={`Delete ${name}`}
          note="Later scans do not know what only this feed knew."
          isDisabled={remove.isPending}
          onConfirm={() => remove.mutate()}
        />
      )}
      {remove.error !== null && <Failure error={remove.error} />}
    </div>
  );
}
