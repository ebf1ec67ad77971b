import { type AppError, labelKeyFault, labelsSchema, LIMITS } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import { z } from 'zod';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { agentIdParameter, count, problems, selectorText } from '../http/schemas.js';
import { agentJson, agentSchema } from './agent-json.js';
import { findAgent, selectionOf, type SelectionParts } from './agent-selection.js';
import type { LabelEditor } from './label-editor.js';

export interface LabelParts extends SelectionParts {
  readonly editor: LabelEditor;
  readonly clock: Clock;
}

const changeShape = {
  set: labelsSchema.default({}),
  remove: z
    .array(z.string())
    .max(LIMITS.labels)
    .default([])
    .superRefine((keys, context) => {
      for (const key of keys) {
        const fault = labelKeyFault(key);
        if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
      }
    })
    .meta({ description: 'Names of labels that operators set; those that the agent gives itself then show again.' }),
};

const BODY_PROBLEMS = ['too_large', 'unsupported_media_type', 'conflict', 'idempotency_mismatch'] as const;

/** Changing the labels that operators set. */
export function labelOperations(parts: LabelParts): Operation[] {
  return [editOneOperation(parts), editManyOperation(parts)];
}

function editOneOperation(parts: LabelParts): Operation {
  return defineOperation({
    id: 'labelAgent',
    method: 'patch',
    path: '/v1/agents/{id}/labels',
    tag: 'agents',
    action: 'agent.label',
    audited: true,
    summary: "Set and remove an agent's labels",
    access: 'agents:label',
    params: agentIdParameter,
    body: z.strictObject(changeShape),
    idempotent: true,
    responses: {
      200: { description: 'The agent as it is now.', content: { 'application/json': agentSchema } },
      ...problems('not_found', ...BODY_PROBLEMS),
    },
    handle: async ({ principal, params, body, note }) => {
      note({ subject: params.id, details: { set: body.set, remove: body.remove } });
      const endpoint = await findAgent(parts, principal, params.id);
      const result = await parts.editor.edit(endpoint, { ...body, by: principal.name });
      if (result.kind === 'failed') throw result.error;
      return json(200, agentJson(result.endpoint, await parts.presence.of([endpoint.agentId]), parts.clock.now()));
    },
  });
}

const editedSchema = z.object({ matched: count, changed: count, unchanged: count, failed: count }).meta({
  id: 'LabelsEdited',
  description: '`failed` ones could not be kept: repeat the call, which changes nothing twice.',
});

function editManyOperation(parts: LabelParts): Operation {
  return defineOperation({
    id: 'labelAgents',
    method: 'post',
    path: '/v1/agents/labels',
    tag: 'agents',
    action: 'agent.label_many',
    audited: true,
    summary: 'Set and remove labels of all agents that a selector selects',
    access: 'agents:label',
    body: z.strictObject({
      selector: selectorText.meta({ description: 'Must be given; the empty one selects every agent.' }),
      ...changeShape,
    }),
    idempotent: true,
    responses: {
      200: { description: 'How many were changed.', content: { 'application/json': editedSchema } },
      ...problems('bad_selector', ...BODY_PROBLEMS),
    },
    handle: async ({ principal, body: { selector, set, remove }, note }) => {
      const details = { selector, set, remove };
      note({ details });
      const selection = await selectionOf(parts, principal, { selector, toChange: true });
      const chosen = [...parts.directory.endpoints(principal.org)].filter(
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
      // Nothing done at all is a failure; something done is told, with what is missing.
      if (fault !== undefined && counts.failed === chosen.length) throw fault;
      return json(200, edited);
    },
  });
}
