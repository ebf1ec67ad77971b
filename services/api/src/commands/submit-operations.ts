import { UNDO_ACTION } from '@muster/actions';
import { operations, type CommandRequest, type SubmittedCommandJson } from '@muster/api-contract';
import type { CommandReply } from '@muster/messages';
import type { CommandId } from '@muster/protocol';
import type { Reauthentication } from '../auth/reauthentication.js';
import { given } from '../http/json-members.js';
import { implement, json, type Call, type JsonAnswer, type Operation } from '../http/operation.js';
import type { CommandClient } from '../upstream/command-client.js';
import { commandJson } from './command-json.js';
import type { CommandStore } from './command-store.js';
import { resolveRequest, type ResolveParts } from './resolve-request.js';

export interface SubmitParts extends ResolveParts {
  readonly client: CommandClient;
  readonly store: CommandStore;
  readonly reauthentication: Pick<Reauthentication, 'checkAction'>;
}

/** Submitting and planning commands, and undoing them. */
export function submitOperations(parts: SubmitParts): Operation[] {
  return [submitOperation(parts), planOperation(parts), undoOperation(parts)];
}

function submitOperation(parts: SubmitParts): Operation {
  return implement(operations.submitCommand, async (call) => {
    const { principal, body, query, signal, note, requestKey } = call;
    note({ details: { action: body.action, dryRun: body.dryRun, ...given('reason', body.reason) } });
    parts.reauthentication.checkAction(principal, body.action, body);
    const resolved = await resolveRequest(parts, principal, body, signal);
    const request = {
      t: 'submit',
      ...submitFields(call, body),
      ...resolved,
      ...given('requestKey', requestKey),
      ...given('waitMs', query.wait),
    } as const;
    return accepted(await parts.client.submit(request, call.auditedElsewhere));
  });
}

function planOperation(parts: SubmitParts): Operation {
  return implement(operations.planCommand, async (call) => {
    const { principal, body, signal } = call;
    const resolved = await resolveRequest(parts, principal, body, signal);
    const plan = await parts.client.plan({ t: 'plan', ...submitFields(call, body), ...resolved });
    const { targets, connected, unsupported, approval } = plan;
    return json(200, { targets, connected, unsupported, ...given('approval', approval) });
  });
}

function undoOperation({ client, store, reauthentication }: SubmitParts): Operation {
  return implement(operations.undoCommand, async (call) => {
    const { principal, params, body, note, requestKey, signal } = call;
    note({ subject: params.id, details: { dryRun: body.dryRun, ...given('reason', body.reason) } });
    reauthentication.checkAction(principal, UNDO_ACTION, body);
    const { fold } = await store.find(principal, params.id, signal);
    const request = {
      t: 'undo',
      ...callerOf(call),
      id: fold.record.id,
      dryRun: body.dryRun,
      expiresInMs: body.expiresIn,
      ...given('reason', body.reason),
      ...given('requestKey', requestKey),
    } as const;
    return accepted(await client.submit(request, call.auditedElsewhere));
  });
}

/** The caller, as a command service is told it, and the trace of the call. */
export function callerOf({ principal, from, trace }: Pick<Call, 'principal' | 'from' | 'trace'>) {
  const { id, name, role, org, person, origin, selector = '' } = principal;
  return { org, caller: { id, name, role, bound: selector, from, person, origin }, ...trace };
}

function submitFields(
  call: Pick<Call, 'principal' | 'from' | 'trace'>,
  { action, dryRun, expiresIn, timeout, rollout, reason }: CommandRequest,
) {
  return {
    ...callerOf(call),
    action,
    dryRun,
    expiresInMs: expiresIn,
    ...given('timeoutMs', timeout),
    ...given('rollout', rollout),
    ...given('reason', reason),
  };
}

function accepted({ command, repeated }: Extract<CommandReply, { t: 'command' }>): JsonAnswer<SubmittedCommandJson> {
  const id: CommandId = command.record.id;
  return json(202, { ...commandJson(command), repeated }, { headers: { location: `/v1/commands/${id}` } });
}
