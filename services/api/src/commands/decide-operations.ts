import { type CommandSummary, summaryOf } from '@muster/messages';
import { AppError, type CommandId } from '@muster/protocol';
import { z } from 'zod';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { label, problems } from '../http/schemas.js';
import type { CommandClient } from './command-client.js';
import { commandJson } from './command-json.js';
import { commandIdParameter, commandSchema } from './command-schemas.js';
import type { CommandStore } from './command-store.js';
import { callerOf } from './submit-operations.js';

export interface DecideParts {
  readonly client: CommandClient;
  readonly store: CommandStore;
}

/** Deciding on commands that somebody has ordered. */
export function decideOperations(parts: DecideParts): Operation[] {
  return [cancelOperation(parts), approveOperation(parts)];
}

function cancelOperation({ client, store }: DecideParts): Operation {
  return defineOperation({
    id: 'cancelCommand',
    method: 'delete',
    path: '/v1/commands/{id}',
    tag: 'commands',
    action: 'command.cancel',
    audited: true,
    summary: 'Cancel a command: what has not begun does not begin, what runs is told to stop',
    description:
      'Each target says in the end what really happened there. For a command that awaits approval this is its rejection. A command that has ended is ' +
      'left as it is, and the answer is 204.',
    access: 'commands:cancel',
    params: commandIdParameter,
    query: z.strictObject({ reason: label(500).optional() }),
    responses: {
      202: {
        description: 'It is cancelled; its events tell what becomes of what had begun.',
        content: { 'application/json': commandSchema },
      },
      204: { description: 'It had ended already.' },
      ...problems('not_found', 'conflict', 'no_command_service', 'timeout'),
    },
    handle: async (call) => {
      const { principal, params, query, note, signal } = call;
      note({ subject: params.id, ...(query.reason === undefined ? {} : { details: { reason: query.reason } }) });
      const { fold } = await store.find(principal, params.id, signal);
      if (fold.status === 'ended') return json(204);
      const { id } = fold.record;
      const reason = query.reason === undefined ? {} : { reason: query.reason };
      try {
        const request = { t: 'cancel', ...callerOf(call), id, ...reason } as const;
        return json(202, commandJson((await client.decide(request, call.auditedElsewhere)).command));
      } catch (error) {
        // It may have ended between the look and the request.
        const newest = await store.read(principal.org, id, signal);
        if (newest?.fold.status === 'ended') return json(204);
        throw error;
      }
    },
  });
}

function approveOperation({ client, store }: DecideParts): Operation {
  return defineOperation({
    id: 'approveCommand',
    method: 'post',
    path: '/v1/commands/{id}/approve',
    tag: 'commands',
    action: 'command.approve',
    audited: true,
    summary: 'Approve what somebody else has ordered; it is signed with both names, and begins',
    description: 'To approve again what one has approved changes nothing. Rejecting is cancelling.',
    access: 'commands:approve',
    params: commandIdParameter,
    body: z.strictObject({}).default({}),
    responses: {
      200: { description: 'It is approved.', content: { 'application/json': commandSchema } },
      ...problems(
        'not_found',
        'conflict',
        'self_approval',
        'too_large',
        'unsupported_media_type',
        'no_command_service',
        'timeout',
      ),
    },
    handle: async (call) => {
      const { principal, params, note, signal } = call;
      note({ subject: params.id });
      const { fold } = await store.find(principal, params.id, signal);
      const { id } = fold.record;
      if (fold.signature?.approver?.id === principal.id) return json(200, commandJson(summaryOf(fold)));
      if (fold.status !== 'awaiting_approval') throw notWaiting(id, summaryOf(fold));
      const { command } = await client.decide({ t: 'approve', ...callerOf(call), id }, call.auditedElsewhere);
      return json(200, commandJson(command));
    },
  });
}

/** The link that an approver was sent leads to something that is over. */
function notWaiting(id: CommandId, { status, approver, cancel }: CommandSummary): AppError {
  const why =
    approver !== undefined
      ? `was approved by ${approver.name}`
      : cancel?.code === 'not_approved'
        ? 'was not approved in time'
        : cancel !== undefined
          ? `was cancelled by ${cancel.by.name}`
          : 'needs no approval';
  return new AppError('conflict', `command ${id} does not wait for approval: it ${why}`, { details: { status } });
}
