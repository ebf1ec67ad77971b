import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { client, OtherPersonError } from '../api/client.js';
import { useSentOnce } from '../api/sent-once.js';
import { isConfirmed, type Reach } from '../ui/typed-number.js';
import { actionFields, fittingActions } from './fitting-actions.js';
import { bodyOf, dryRunOf, EMPTY_DRAFT, paramsOf, presetDraft, withReason } from './draft.js';
import type { Draft, CommandBody, Preset } from './draft.js';
import type { ActTarget } from './target.js';
import { useActions } from './use-action.js';

export interface DraftOptions {
  readonly target: ActTarget;
  readonly platforms: readonly string[];
  readonly preset?: Preset | undefined;
}

/**
 * A command on its way: typed, tried, confirmed, sent. Whom it is for is fixed from its first moment on, and what is
 * sent is what was tried; a change of the form begins the try anew.
 */
export function useDraft(options: DraftOptions, onSubmitted: (id: string) => void) {
  const [{ target, platforms, preset }] = useState(options);
  const [draft, setDraft] = useState<Draft>(() => ({ ...EMPTY_DRAFT, ...presetDraft(preset) }));
  const [typed, setTyped] = useState('');
  const actions = useActions();
  const fitting = fittingActions(actions.data?.items ?? [], target, platforms);
  const chosen = fitting.find(({ action }) => action.name === draft.action);
  const fields = chosen === undefined || chosen.shape !== undefined ? [] : actionFields(chosen.action);
  const params = paramsOf(fields, draft, preset);
  const { plan, tryOut, submit, isUnclear } = useSteps(onSubmitted);
  const reach: Reach = { count: plan.data?.targets, isDestructive: chosen?.action.destructive };
  const isTrying = plan.isPending || tryOut.isPending;
  return {
    ...{
      target,
      preset,
      draft,
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
    // What was not tried to the end is not sent.
    isReady: tryOut.isSuccess && !isTrying && !submit.isPending && isConfirmed(reach, typed),
    change: (part: Partial<Draft>): void => {
      setDraft({ ...draft, ...part });
      // What was planned is of another command.
      for (const step of [plan, tryOut, submit]) step.reset();
      setTyped('');
    },
    changeReason: (reason: string): void => setDraft({ ...draft, reason }),
    attempt: (): void => {
      const body = bodyOf({ draft, params, target, shape: chosen?.shape, preset });
      tryOut.reset();
      plan.mutate(body, { onSuccess: () => tryOut.mutate(body) });
    },
    send: (): void => {
      if (tryOut.variables === undefined) return;
      // Whether it was commanded is not known: the same again, which is carried out once.
      const again = isUnclear ? submit.variables : undefined;
      submit.mutate(again ?? withReason(tryOut.variables, draft), {
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

export type DraftInHand = ReturnType<typeof useDraft>;

/** The three calls, each of one body. */
function useSteps(onSubmitted: (id: string) => void) {
  const sentOnce = useSentOnce();
  const plan = useMutation({
    mutationFn: (body: CommandBody) => client.call('POST /v1/commands/plan', { body }),
  });
  const tryOut = useMutation({
    mutationFn: (draft: CommandBody) => {
      const body = dryRunOf(draft);
      return sentOnce.send(body, (idempotencyKey) =>
        client.call('POST /v1/commands', { body, query: { wait: '20s' }, idempotencyKey }),
      );
    },
  });
  const submit = useMutation({
    mutationFn: (body: CommandBody) =>
      sentOnce.send(body, (idempotencyKey) => client.call('POST /v1/commands', { body, idempotencyKey })),
    onSuccess: ({ id }) => onSubmitted(id),
  });
  // What somebody else has sent before is no matter of who sits there now.
  const isUnclear =
    submit.error !== null && !(submit.error instanceof OtherPersonError) && sentOnce.isUnclear(submit.variables);
  return { plan, tryOut, submit, isUnclear };
}
