import { operations } from '@muster/api-contract';
import type { AppError } from '@muster/protocol';
import { filterInTurns, type Clock } from '@muster/runtime';
import { implement, json, type Operation } from '../http/operation.js';
import { agentJson } from './agent-json.js';
import { findAgent, selectionOf, type SelectionParts } from './agent-selection.js';
import type { LabelEditor } from './label-editor.js';

export interface LabelParts extends SelectionParts {
  readonly editor: LabelEditor;
  readonly clock: Clock;
}

/** Changing the labels that operators set, of one agent or of many. */
export function labelOperations(parts: LabelParts): Operation[] {
  return [editOneOperation(parts), editManyOperation(parts)];
}

function editOneOperation(parts: LabelParts): Operation {
  return implement(operations.labelAgent, async ({ principal, params, body, note }) => {
    note({ subject: params.id, details: { set: body.set, remove: body.remove } });
    const endpoint = await findAgent(parts, principal, params.id);
    const result = await parts.editor.edit(endpoint, { ...body, by: principal.name });
    if (result.kind === 'failed') throw result.error;
    return json(200, agentJson(result.endpoint, await parts.presence.of([endpoint.agentId]), parts.clock.now()));
  });
}

function editManyOperation(parts: LabelParts): Operation {
  return implement(operations.labelAgents, async ({ principal, body: { selector, set, remove }, note }) => {
    const details = { selector, set, remove };
    note({ details });
    const selection = await selectionOf(parts, principal, { selector });
    const chosen = await filterInTurns(
      parts.directory.endpoints(principal.org),
      (endpoint) => endpoint.revoked === undefined && selection.matches(endpoint),
    );
    const counts = { changed: 0, unchanged: 0, failed: 0 };
    let fault: AppError | undefined;
    for await (const result of parts.editor.editAll(chosen, { set, remove, by: principal.name })) {
      counts[result.kind] += 1;
      if (result.kind === 'failed') fault = result.error;
    }
    const edited = { matched: chosen.length, ...counts };
    note({ details: { ...details, ...edited } });
    // A failure only when every write failed. A partial success is answered with its counts.
    if (fault !== undefined && counts.failed === chosen.length) throw fault;
    return json(200, edited);
  });
}
