import type { CommandReply } from '@muster/messages';
import type { CommandId } from '@muster/protocol';
import { given } from '../http/given.js';
import { defineOperation, json, type Call, type JsonAnswer, type Operation } from '../http/operation.js';
import { problems } from '../http/schemas.js';
import type { CommandClient } from './command-client.js';
import { commandJson } from './command-json.js';
import { commandIdParameter, planSchema, submittedSchema } from './command-schemas.js';
import type { CommandStore } from './command-store.js';
import { orderSchema, undoSchema, waitQuerySchema, type Order } from './order-schema.js';
import { readOrder, type OrderParts } from './read-order.js';

export interface SubmitParts extends OrderParts {
  readonly client: CommandClient;
  readonly store: CommandStore;
}

const ORDER_CODES = [
  'bad_selector',
  'bad_timeout',
  'not_found',
  'revoked',
  'conflict',
  'too_large',
  'unsupported_media_type',
  'unknown_action',
  'bad_params',
  'bad_rollout',
  'no_targets',
  'too_many_targets',
  'no_command_service',
  'timeout',
] as const;

const ACCEPTED = {
  description: 'It is in the journal: it will be carried out, refused or expire, exactly once for each target.',
  content: { 'application/json': submittedSchema },
  headers: { location: 'Where the command is.' },
};

/** Ordering something, and taking it back. */
export function submitOperations(parts: SubmitParts): Operation[] {
  return [submitOperation(parts), planOperation(parts), undoOperation(parts)];
}

function submitOperation(parts: SubmitParts): Operation {
  return defineOperation({
    id: 'submitCommand',
    method: 'post',
    path: '/v1/commands',
    tag: 'commands',
    action: 'command.submit',
    audited: true,
    summary: 'Order an action on one or many endpoints',
    description:
      'Answers when the command is kept. Endpoints that are connected get it at once, the others when they return, until it expires. Where the ' +
      'policy asks for it, it first waits for the approval of a second person. Follow `/v1/commands/{id}/events` for what comes; with `wait` the answer ' +
      'itself tells how it ended, if it has by then.',
    access: 'commands:run',
    query: waitQuerySchema,
    body: orderSchema,
    idempotent: 'passed_on',
    responses: { 202: ACCEPTED, ...problems(...ORDER_CODES, 'idempotency_mismatch') },
    handle: async (call) => {
      const { principal, body, query, signal, note, requestKey } = call;
      note({ details: { action: body.action, dryRun: body.dryRun, ...given('reason', body.reason) } });
      const read = await readOrder(parts, principal, body, signal);
      const request = {
        t: 'submit',
        ...orderOf(call, body),
        ...read,
        ...given('requestKey', requestKey),
        ...given('waitMs', query.wait),
      } as const;
      return accepted(await parts.client.submit(request, call.auditedElsewhere));
    },
  });
}

function planOperation(parts: SubmitParts): Operation {
  return defineOperation({
    id: 'planCommand',
    method: 'post',
    path: '/v1/commands/plan',
    tag: 'commands',
    action: 'command.plan',
    summary: 'How many endpoints an order would reach now, and whether it would need approval; nothing is ordered',
    access: 'commands:run',
    body: orderSchema,
    responses: {
      200: { description: 'What a submit would begin.', content: { 'application/json': planSchema } },
      ...problems(...ORDER_CODES),
    },
    handle: async (call) => {
      const { principal, body, signal } = call;
      const read = await readOrder(parts, principal, body, signal);
      const plan = await parts.client.plan({ t: 'plan', ...orderOf(call, body), ...read });
      const { targets, connected, unsupported, approval } = plan;
      return json(200, { targets, connected, unsupported, ...given('approval', approval) });
    },
  });
}

function undoOperation({ client, store }: SubmitParts): Operation {
  return defineOperation({
    id: 'undoCommand',
    method: 'post',
    path: '/v1/commands/{id}/undo',
    tag: 'commands',
    action: 'command.undo',
    audited: true,
    summary: 'Take back what a command did, on every endpoint where it succeeded',
    description: 'A command of its own, whose events and targets are followed as those of any other.',
    access: 'commands:run',
    params: commandIdParameter,
    body: undoSchema,
    idempotent: 'passed_on',
    responses: {
      202: ACCEPTED,
      ...problems(
        'bad_timeout',
        'not_found',
        'conflict',
        'not_undoable',
        'too_large',
        'too_many_targets',
        'unsupported_media_type',
        'no_command_service',
        'timeout',
        'idempotency_mismatch',
      ),
    },
    handle: async (call) => {
      const { principal, params, body, note, requestKey, signal } = call;
      note({ subject: params.id, details: { dryRun: body.dryRun, ...given('reason', body.reason) } });
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
    },
  });
}

/** On whose behalf a command service is asked. */
export function callerOf({ principal, from }: Pick<Call, 'principal' | 'from'>) {
  const { id, name, role, org, selector = '' } = principal;
  return { org, caller: { id, name, role, bound: selector, from } };
}

function orderOf(
  call: Pick<Call, 'principal' | 'from'>,
  { action, dryRun, expiresIn, timeout, rollout, reason }: Order,
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

function accepted({ command, repeated }: Extract<CommandReply, { t: 'command' }>): JsonAnswer {
  const id: CommandId = command.record.id;
  return json(202, { ...commandJson(command), repeated }, { headers: { location: `/v1/commands/${id}` } });
}
