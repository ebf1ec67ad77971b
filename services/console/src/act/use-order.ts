import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { client, OtherPersonError } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { isConfirmed, type Reach } from '../ui/typed-number.js';
import { actionFields, fittingActions } from './fitting-actions.js';
import { bodyOf, dryRunOf, NO_ORDER, paramsOf, presetOrder, withReason } from './order.js';
import type { Order, OrderBody, Preset } from './order.js';
import type { ActTarget } from './target.js';
import { useActions } from './use-action.js';

export interface OrderOptions {
  readonly target: ActTarget;
  readonly platforms: readonly string[];
  readonly preset?: Preset | undefined;
}

/**
 * An order on its way: typed, tried, confirmed, sent. Whom it is for is fixed from its first moment on, and what is
 * sent is what was tried; a change of the form begins the try anew.
 */
export function useOrder(options: OrderOptions, onOrdered: (id: string) => void) {
  const [{ target, platforms, preset }] = useState(options);
  const [order, setOrder] = useState<Order>(() => ({ ...NO_ORDER, ...presetOrder(preset) }));
  const [typed, setTyped] = useState('');
  const actions = useActions();
  const fitting = fittingActions(actions.data?.items ?? [], target, platforms);
  const chosen = fitting.find(({ action }) => action.name === order.action);
  const fields = chosen === undefined || chosen.shape !== undefined ? [] : actionFields(chosen.action);
  const params = paramsOf(fields, order, preset);
  const { plan, tryOut, submit, isUnclear } = useSteps(onOrdered);
  const reach: Reach = { count: plan.data?.targets, isDestructive: chosen?.action.destructive };
  const isTrying = plan.isPending || tryOut.isPending;
  return {
    ...{
      target,
      preset,
      order,
      typed,
      setTyped,
      actions,
      fitting,
      chosen,
      fields,
      plan,
      tryOut,
      submit,
      reach,
      isTrying,
      isUnclear,
    },
    isComplete: fields.every(({ name, isRequired }) => !isRequired || params[name] !== undefined),
    // What was not tried to the end is not ordered.
    isReady: tryOut.isSuccess && !isTrying && !submit.isPending && isConfirmed(reach, typed),
    change: (part: Partial<Order>): void => {
      setOrder({ ...order, ...part });
      // What was planned is of another order.
      for (const step of [plan, tryOut, submit]) step.reset();
      setTyped('');
    },
    changeReason: (reason: string): void => setOrder({ ...order, reason }),
    attempt: (): void => {
      const body = bodyOf({ order, params, target, shape: chosen?.shape, preset });
      tryOut.reset();
      plan.mutate(body, { onSuccess: () => tryOut.mutate(body) });
    },
    send: (): void => {
      if (tryOut.variables === undefined) return;
      // Whether it was ordered is not known: the same again, which is ordered once.
      const again = isUnclear ? submit.variables : undefined;
      submit.mutate(again ?? withReason(tryOut.variables, order), {
        // What somebody else has tried is tried again by who sits there now.
        onError: (error) => {
          if (!(error instanceof OtherPersonError)) return;
          for (const step of [plan, tryOut]) step.reset();
          setTyped('');
        },
      });
    },
  };
}

export type OrderInHand = ReturnType<typeof useOrder>;

/** The three calls, each of one body. */
function useSteps(onOrdered: (id: string) => void) {
  const sentOnce = useSentOnce();
  const plan = useMutation({
    mutationFn: (body: OrderBody) => client.call('POST /v1/commands/plan', { body }),
  });
  const tryOut = useMutation({
    mutationFn: (order: OrderBody) => {
      const body = dryRunOf(order);
      return sentOnce.send(body, (idempotencyKey) =>
        client.call('POST /v1/commands', { body, query: { wait: '20s' }, idempotencyKey }),
      );
    },
  });
  const submit = useMutation({
    mutationFn: (body: OrderBody) =>
      sentOnce.send(body, (idempotencyKey) => client.call('POST /v1/commands', { body, idempotencyKey })),
    onSuccess: ({ id }) => onOrdered(id),
  });
  // What somebody else has sent before is no matter of who sits there now.
  const isUnclear =
    submit.error !== null && !(submit.error instanceof OtherPersonError) && sentOnce.isUnclear(submit.variables);
  return { plan, tryOut, submit, isUnclear };
}
