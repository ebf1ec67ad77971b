import type { ScheduleJson } from '@muster/api-contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client } from '../api/client.js';
import { useTime } from '../preferences/time.js';
import { useMe } from '../session/session.js';
import { duration } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { ConfirmButton } from '../ui/confirm-button.js';
import { Failure, Notice } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import { firingText, mayChange } from './schedule-text.js';
import styles from './schedules.module.css';

/** One schedule: its moments, what became of the last ones, and pausing, resuming, deleting it. */
export function ScheduleDrawer({ schedule, onClose }: { schedule: ScheduleJson; onClose: () => void }) {
  const { id, name, state, createdBy } = schedule;
  const { me } = useMe();
  const queryClient = useQueryClient();
  const again = () => queryClient.invalidateQueries({ queryKey: ['schedules'] });
  const change = useMutation({
    mutationFn: (next: ScheduleJson['state']) =>
      client.call('PATCH /v1/schedules/{id}', { params: { id }, body: { state: next } }),
    onSuccess: again,
  });
  const remove = useMutation({
    mutationFn: () => client.call('DELETE /v1/schedules/{id}', { params: { id } }),
    onSuccess: async () => {
      onClose();
      await again();
    },
  });
  return (
    <Panel kind="drawer" title={<VisibleText text={name} max={100} />} onClose={onClose}>
      <Facts schedule={schedule} />
      {mayChange(me, schedule) ? (
        <div className={styles['tools']}>
          <Button
            small
            isDisabled={change.isPending}
            onPress={() => change.mutate(state === 'active' ? 'paused' : 'active')}
          >
            {state === 'active' ? 'Pause' : 'Resume'}
          </Button>
          <ConfirmButton
            what="Delete it"
            note="A scan that runs goes on."
            isDisabled={remove.isPending}
            onConfirm={() => remove.mutate()}
          />
        </div>
      ) : (
        <Notice>
          <VisibleText text={createdBy.name} max={60} /> made it; they and admins whom no selector bounds change it.
        </Notice>
      )}
      {[change.error, remove.error].map((error, at) => error !== null && <Failure key={at} error={error} />)}
      <Firings scheduleId={id} />
    </Panel>
  );
}

function Facts({ schedule }: { schedule: ScheduleJson }) {
  const { pack, selector, cron, timeZone, jitterMs, waitMs, state, nextAt, createdBy, createdAt } = schedule;
  const time = useTime();
  return (
    <dl className={styles['facts']}>
      <dt>pack</dt>
      <dd>{pack}, its newest version</dd>
      <dt>of</dt>
      <dd>
        <VisibleText text={selector === '' ? 'all endpoints' : selector} max={300} />
      </dd>
      <dt>moments</dt>
      <dd>
        <code>{cron}</code> in {timeZone}
        {jitterMs > 0 && `, up to ${duration(jitterMs)} later`}
      </dd>
      {waitMs !== undefined && (
        <>
          <dt>absent ones</dt>
          <dd>are waited for, for {duration(waitMs)}</dd>
        </>
      )}
      <dt>next</dt>
      <dd>{nextAt === undefined ? `none, it is ${state}` : time.full(nextAt)}</dd>
      <dt>made</dt>
      <dd>
        by <VisibleText text={createdBy.name} max={60} /> at {time.full(createdAt)}
      </dd>
    </dl>
  );
}

function Firings({ scheduleId }: { scheduleId: string }) {
  const time = useTime();
  const one = useQuery({
    queryKey: ['schedules', scheduleId],
    queryFn: ({ signal }) => client.call('GET /v1/schedules/{id}', { params: { id: scheduleId }, signal }),
  });
  if (one.error !== null) return <Failure error={one.error} onRetry={() => void one.refetch()} />;
  const firings = one.data?.firings ?? [];
  return (
    <section aria-label="Last moments">
      <h3>Its last moments</h3>
      {one.data !== undefined && firings.length === 0 && <p className={styles['soft']}>None has come yet.</p>}
      {firings.map((firing) => (
        <div key={`${firing.dueAt}/${firing.at}`} className={styles['firing']}>
          <span>{time.full(firing.at)}</span>
          <span>
            <VisibleText text={firingText(firing)} max={300} />{' '}
            {firing.scan !== undefined && (
              <Link to="/scans/$scanId" params={{ scanId: firing.scan }}>
                its scan
              </Link>
            )}
          </span>
        </div>
      ))}
    </section>
  );
}
