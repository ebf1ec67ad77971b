import { labelFaults, labelKeyFault, LIMITS } from '@muster/protocol';
import { z } from 'zod';
import { EVERY_PLATFORM, type ActionDefinition } from './action.js';
import { name } from './fields.js';

/** Uses the shared rule for labels and its messages. */
const labels = z.record(z.string(), z.string('a label value must be text'), 'set is labels by key').check((context) => {
  for (const message of labelFaults(context.value)) {
    context.issues.push({ code: 'custom', message, input: context.value });
  }
});
const labelKey = z.string('a label key must be text').check((context) => {
  const message = labelKeyFault(context.value);
  if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
});

/** The beginning of the SHA-256 of a query's text, as a refusal of the query names it. */
const queryHash = z
  .string('a query must be named by text')
  .regex(/^[0-9a-fA-F]{8,64}$/, 'a query is named by the first 8 to 64 hexadecimal digits of its SHA-256');

export const agentActions: readonly ActionDefinition[] = [
  {
    name: 'agent.allow_query',
    summary: 'Lets an endpoint run queries again that it refuses because they ended its worker',
    params: z.strictObject({ query: queryHash.optional().describe('The query, as its refusal names it; absent: all') }),
    platforms: EVERY_PLATFORM,
    reversible: false,
    destructive: false,
    timeoutMs: 30_000,
    lane: 'queries',
  },
  {
    name: 'agent.set_labels',
    summary: "Sets and removes labels of the agent's own",
    params: z.strictObject({
      set: labels.optional().describe('Labels to set, in the syntax of Kubernetes labels'),
      remove: z
        .array(labelKey, 'remove is a list of label keys')
        .min(1, 'remove must name a label')
        .max(LIMITS.labels, `at most ${LIMITS.labels} labels can be removed`)
        .optional()
        .describe('Keys of labels to remove'),
    }),
    object: [
      { required: ['set'], optional: ['remove'] },
      { required: ['remove'], optional: [] },
    ],
    platforms: EVERY_PLATFORM,
    reversible: true,
    destructive: false,
    timeoutMs: 30_000,
    lane: 'labels',
  },
];

/** Name of the action that undoes the action of another command. */
export const UNDO_ACTION = 'undo';

export const undoAction: ActionDefinition = {
  name: UNDO_ACTION,
  summary: 'Undoes what an earlier command did',
  params: z.strictObject({ command: name('a command id', 64).describe('Command to undo') }),
  platforms: EVERY_PLATFORM,
  reversible: false,
  destructive: false,
  timeoutMs: 120_000,
  lane: 'undo',
  hidden: true,
};
