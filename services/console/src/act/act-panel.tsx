import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { client } from '../api/client.js';
import { plural, whole } from '../text/numbers.js';
import { Button, Select, TextField } from '../ui/controls.js';
import { Empty, Failure, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import { ActionFields } from './action-fields.js';
import { actionFields, fittingActions, paramsFrom } from './fitting-actions.js';
import { bodyOf, NO_ORDER, presetOrder, type Order, type OrderBody, type Preset } from './order.js';
import { Plan } from './plan.js';
import type { ActTarget } from './target.js';
import styles from './act.module.css';

/** From so many targets on, and for each destructive action on more than one, the number is typed. */
const CONFIRM_FROM = 10;
const EXPIRIES = ['1h', '24h', '3d', '7d'];
const ROLLOUTS = [
  { id: '', label: 'all at once' },
  { id: '1', label: 'one first, then 10% every 30 s' },
  { id: '10', label: 'ten first, then 10% every 30 s' },
];

/**
 * An order in three steps on one panel: what and with which parameters; what it would reach, tried without changing anything; then the order
 * itself, with a reason and, where it reaches many, the typed number.
 */
export function ActPanel({
  target,
  platforms,
  preset,
  children,
  onClose,
}: {
  target: ActTarget;
  platforms: readonly string[];
  preset?: Preset;
  /** What is to be known of the targets before anything is ordered. */
  children?: ReactNode;
  onClose: () => void;
}) {
  const [order, setOrder] = useState<Order>(() => ({ ...NO_ORDER, ...presetOrder(preset) }));
  const [typed, setTyped] = useState('');
  const navigate = useNavigate();
  const actions = useQuery({
    queryKey: ['actions'],
    queryFn: ({ signal }) => client.call('GET /v1/actions', { signal }),
    staleTime: Infinity,
  });
  const fitting = fittingActions(actions.data?.items ?? [], target, platforms);
  const chosen = fitting.find(({ action }) => action.name === order.action);
  const fields = chosen === undefined || chosen.shape !== undefined ? [] : actionFields(chosen.action);
  const isPreset = chosen?.shape !== undefined && preset?.action === order.action;
  const params = isPreset ? preset.params : paramsFrom(fields, order.given);
  const missing = fields.filter(({ name, isRequired }) => isRequired && params[name] === undefined);
  const make = (dryRun: boolean): Promise<OrderBody> => bodyOf({ order, params, target, shape: chosen?.shape, dryRun });

  const plan = useMutation({
    mutationFn: async () => client.call('POST /v1/commands/plan', { body: await make(false) }),
  });
  const tryOut = useMutation({
    mutationFn: async () =>
      client.call('POST /v1/commands', {
        body: await make(true),
        query: { wait: '20s' },
        idempotencyKey: crypto.randomUUID(),
      }),
  });
  const submit = useMutation({
    mutationFn: async () =>
      client.call('POST /v1/commands', { body: await make(false), idempotencyKey: crypto.randomUUID() }),
    onSuccess: ({ id }) => {
      onClose();
      void navigate({ to: '/commands/$commandId', params: { commandId: id } });
    },
  });
  const change = (part: Partial<Order>): void => {
    setOrder({ ...order, ...part });
    // What was planned is of another order.
    plan.reset();
    tryOut.reset();
    setTyped('');
  };
  const targets = plan.data?.targets;
  const needsNumber =
    targets !== undefined && (targets >= CONFIRM_FROM || (targets > 1 && chosen?.action.destructive === true));
  const isReady = targets !== undefined && targets > 0 && (!needsNumber || typed.trim() === String(targets));

  if (actions.data === undefined)
    return (
      <Panel kind="dialog" title="Act" onClose={onClose}>
        <Waiting what="Reading actions…" />
      </Panel>
    );
  return (
    <Panel kind="dialog" isWide title={`Act on ${nameOf(target)}`} onClose={onClose}>
      {children}
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
          value={order.action}
          choices={fitting.map(({ action }) => ({ id: action.name, label: action.name }))}
          onChange={(action) => change({ action, given: {} })}
        />
      )}
      {chosen !== undefined && (
        <>
          <p className={styles['soft']}>
            <VisibleText text={chosen.action.summary} />.{' '}
            {chosen.action.destructive && <span className={styles['danger']}>It destroys something.</span>}{' '}
            {chosen.action.reversible ? 'It can be undone.' : 'It cannot be undone.'}
          </p>
          {chosen.shape !== undefined && (
            <p className={styles['soft']}>
              Each endpoint checks {[...chosen.shape.required, ...chosen.shape.optional].join(', ')} of its row, and
              refuses when they are no longer so.
            </p>
          )}
          <ActionFields fields={fields} given={order.given} onGiven={(given) => change({ given })} />
          <div className={styles['fields']}>
            <Select
              label="An absent endpoint gets it within"
              value={order.expiresIn}
              choices={EXPIRIES.map((id) => ({ id, label: id }))}
              onChange={(expiresIn) => change({ expiresIn })}
            />
            <Select label="Rollout" value={order.canary} choices={ROLLOUTS} onChange={(canary) => change({ canary })} />
          </div>
          <TextField
            label="Reason, for who approves and for the audit record"
            value={order.reason}
            onChange={(reason) => setOrder({ ...order, reason })}
          />
          <Plan plan={plan.data} dryRun={tryOut.data} isTrying={tryOut.isPending} />
          {[plan.error, tryOut.error, submit.error].map(
            (error, at) => error !== null && <Failure key={at} error={error} />,
          )}
          <div className={styles['foot']}>
            {needsNumber && (
              <TextField
                label={`Type ${targets} to order it for ${whole(targets)} targets`}
                value={typed}
                onChange={setTyped}
              />
            )}
            <Button
              isDisabled={missing.length > 0 || plan.isPending || tryOut.isPending}
              onPress={() => plan.mutate(undefined, { onSuccess: () => tryOut.mutate() })}
            >
              {plan.isPending || tryOut.isPending ? 'Trying…' : 'Try without changing anything'}
            </Button>
            <Button look="danger" isDisabled={!isReady || submit.isPending} onPress={() => submit.mutate()}>
              {plan.data?.approval === undefined ? 'Order' : 'Ask for approval'}
            </Button>
          </div>
        </>
      )}
    </Panel>
  );
}

function nameOf(target: ActTarget): string {
  if (target.kind === 'agents') return plural(target.agentIds.length, 'endpoint');
  if (target.kind === 'rows') return 'rows';
  return target.selector === '' ? 'all endpoints' : target.selector;
}
