import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { duration, percent, plural, whole } from '../text/numbers.js';
import { Button, Select, TextField, type Choice } from '../ui/controls.js';
import { Empty, Failure, Notice, Waiting } from '../ui/notice.js';
import { NumberField } from '../ui/number-field.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import { ActionFields } from './action-fields.js';
import type { FittingAction } from './fitting-actions.js';
import { AS_PROPOSED, type Preset, type Rollout } from './draft.js';
import { Plan } from './plan.js';
import type { ActTarget } from './target.js';
import { useDraft, type DraftInHand, type DraftOptions } from './use-draft.js';
import styles from './act.module.css';

const EXPIRIES = ['1h', '24h', '3d', '7d'].map((id) => ({ id, label: id }));
const ROLLOUTS = [
  { id: '', label: 'all at once' },
  { id: '1', label: 'one first, then 10% every 30 s' },
  { id: '10', label: 'ten first, then 10% every 30 s' },
];

/**
 * A command in three steps on one panel: what and with which parameters; what it would reach, tried without changing
 * anything; then the command itself, with a reason and, where it reaches many, the typed number.
 */
export function ActPanel({
  children,
  onClose,
  ...options
}: DraftOptions & {
  /** What is to be known of the targets before anything is sent. */
  children?: ReactNode;
  onClose: () => void;
}) {
  const navigate = useNavigate();
  const inHand = useDraft(options, (id) => {
    onClose();
    void navigate({ to: '/commands/$commandId', params: { commandId: id } });
  });
  const { target, draft, actions, fitting, chosen, change } = inHand;
  if (actions.data === undefined)
    return (
      <Panel kind="dialog" title="Act" onClose={onClose}>
        {actions.error === null ? (
          <Waiting what="Reading actions…" />
        ) : (
          <Failure error={actions.error} onRetry={() => void actions.refetch()} />
        )}
      </Panel>
    );
  return (
    <Panel kind="dialog" isWide title={`Act on ${nameOf(target)}`} onClose={onClose}>
      {children}
      {target.kind === 'rows' && (target.omitted ?? 0) > 0 && (
        <Notice tone="warning">{plural(target.omitted ?? 0, 'row')} left out: their endpoint is not known.</Notice>
      )}
      {fitting.length === 0 ? (
        <Empty title="No action fits">
          <p>
            An action is bound to columns of a row: ask for the columns that tell its object apart, such as pid,
            start_time and path of processes.
          </p>
        </Empty>
      ) : (
        <Select
          label="Action"
          value={draft.action}
          choices={fitting.map(({ action }) => ({ id: action.name, label: action.name }))}
          onChange={(action) => change({ action, given: {} })}
        />
      )}
      {chosen !== undefined && (
        <>
          <About {...chosen} />
          <Details inHand={inHand} />
          <Steps inHand={inHand} />
        </>
      )}
    </Panel>
  );
}

/** What an action is, and what it is bound to. */
function About({ action, shape }: FittingAction) {
  return (
    <>
      <p className={styles['soft']}>
        <VisibleText text={action.summary} />.{' '}
        {action.destructive && <span className={styles['danger']}>It destroys something.</span>}{' '}
        {action.reversible ? 'It can be undone.' : 'It cannot be undone.'}
      </p>
      {shape !== undefined && (
        <p className={styles['soft']}>
          Each endpoint checks {[...shape.required, ...shape.optional].join(', ')} of its row, and refuses when they are
          no longer so.
        </p>
      )}
    </>
  );
}

function Details({ inHand: { fields, draft, preset, change, changeReason } }: { inHand: DraftInHand }) {
  return (
    <>
      <ActionFields fields={fields} given={draft.given} onGiven={(given) => change({ given })} />
      <div className={styles['fields']}>
        <Select
          label="An absent endpoint gets it within"
          value={draft.expiresIn}
          choices={[...proposedExpiry(preset), ...EXPIRIES]}
          onChange={(expiresIn) => change({ expiresIn })}
        />
        <Select
          label="Rollout"
          value={draft.canary}
          choices={[...proposedRollout(preset?.rollout), ...ROLLOUTS]}
          onChange={(canary) => change({ canary })}
        />
      </div>
      <TextField
        label="Reason, for who approves and for the audit record"
        value={draft.reason}
        onChange={changeReason}
      />
    </>
  );
}

/** The try, and the command. */
function Steps({ inHand }: { inHand: DraftInHand }) {
  const { plan, tryOut, submit, isTrying, isUnclear, isComplete, isReady, reach, typed, setTyped, attempt, send } =
    inHand;
  return (
    <>
      <Plan plan={plan.data} dryRun={tryOut.data} isTrying={tryOut.isPending} />
      {[plan.error, tryOut.error, submit.error].map(
        (error, at) => error !== null && <Failure key={at} error={error} />,
      )}
      {isUnclear && (
        <Notice tone="warning">
          Nobody knows whether it was ordered. Order it again as it is: it is then ordered once, not twice.
        </Notice>
      )}
      <div className={styles['foot']}>
        <NumberField reach={reach} what={['to order it for', 'targets']} typed={typed} onTyped={setTyped} />
        <Button isDisabled={!isComplete || isTrying} onPress={attempt}>
          {isTrying ? 'Trying…' : 'Try without changing anything'}
        </Button>
        <Button look="danger" isDisabled={!isReady} onPress={send}>
          {plan.data?.approval === undefined ? 'Order' : 'Ask for approval'}
        </Button>
      </div>
    </>
  );
}

function nameOf(target: ActTarget): string {
  if (target.kind === 'agents') return plural(target.agentIds.length, 'endpoint');
  if (target.kind === 'rows') return plural(target.rows.length, 'row');
  return target.selector === '' ? 'all endpoints' : target.selector;
}

function proposedExpiry(preset: Preset | undefined): readonly Choice[] {
  if (preset?.expiresInMs === undefined) return [];
  return [{ id: String(preset.expiresInMs), label: `as before: ${duration(preset.expiresInMs)}` }];
}

function proposedRollout(rollout: Rollout | undefined): readonly Choice[] {
  if (rollout === undefined) return [];
  const { canary, step, pauseMs, abortOver } = rollout;
  const steps = typeof step === 'number' ? whole(step) : step;
  const label = `as before: ${whole(canary)} first, then ${steps} every ${duration(pauseMs)}, until ${percent(abortOver)} fail`;
  return [{ id: AS_PROPOSED, label }];
}
