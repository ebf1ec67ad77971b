import { operations } from '@muster/api-contract';
import { type CommandSummary, summaryOf } from '@muster/messages';
import { AppError, type CommandId } from '@muster/protocol';
import type { Reauthentication } from '../auth/reauthentication.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { CommandClient } from '../upstream/command-client.js';
import { commandJson } from './command-json.js';
import type { CommandStore } from './command-store.js';
import { callerOf } from './submit-operations.js';

export interface DecideParts {
  readonly client: CommandClient;
  readonly store: CommandStore;
  readonly reauthentication: Pick<Reauthentication, 'checkAction'>;
}

/** Cancelling and approving commands. */
export function decideOperations(parts: DecideParts): Operation[] {
  return [cancelOperation(parts), approveOperation(parts)];
}

function cancelOperation({ client, store }: DecideParts): Operation {
  return implement(operations.cancelCommand, async (call) => {
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
      // It may have ended between the read and the request.
      const newest = await store.read(principal.org, id, signal);
      if (newest?.fold.status === 'ended') return json(204);
      throw error;
    }
  });
}

function approveOperation({ client, store, reauthentication }: DecideParts): Operation {
  return implement(operations.approveCommand, async (call) => {
    const { principal, params, note, signal } = call;
    note({ subject: params.id });
    const { fold } = await store.find(principal, params.id, signal);
    const { id, action } = fold.record;
    reauthentication.checkAction(principal, action);
    if (fold.signature?.approver?.id === principal.id) return json(200, commandJson(summaryOf(fold)));
    if (fold.status !== 'awaiting_approval') throw notWaiting(id, summaryOf(fold));
    const { command } = await client.decide({ t: 'approve', ...callerOf(call), id }, call.auditedElsewhere);
    return json(200, commandJson(command));
  });
}

/** Why a command no longer waits for approval. */
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
