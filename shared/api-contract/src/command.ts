import { ROLES } from '@muster/identity/roles';
import { COMMAND_STATES } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { count, timestamp } from './fields.js';
import type { Json } from './operation.js';
import { stalledEventSchema } from './event-stream.js';
import { nextCursor, seq } from './paging.js';

export const commandIdParameter = z.object({
  id: z.string().max(200).meta({ description: "The command's id." }),
});

export const commandStatusSchema = z.enum(['awaiting_approval', 'running', 'ended']);
export const commandStateSchema = z.enum(COMMAND_STATES);

const person = z.object({ id: z.string(), name: z.string() });
const role = z.enum(ROLES);

const stateCounts = Object.fromEntries(COMMAND_STATES.map((state) => [state, count])) as Record<
  (typeof COMMAND_STATES)[number],
  typeof count
>;

export const commandLedgerSchema = z.object({ targeted: count, ...stateCounts }).meta({
  id: 'CommandLedger',
  description: 'The count of targets in each state. `targeted` is always the sum of all the others.',
});

const approvalSchema = z
  .object({ why: z.string(), role })
  .meta({ description: 'Why a second person must approve, and the least role that may.' });

export const commandSchema = z
  .object({
    id: z.string(),
    status: commandStatusSchema,
    action: z.string(),
    params: z.record(z.string(), z.unknown()),
    dryRun: z.boolean().meta({ description: 'Says what would be done, and changes nothing.' }),
    target: z.string().meta({ description: 'What was asked for, for people.' }),
    undoes: z.string().optional().meta({ description: 'The command that this one undoes.' }),
    operator: person.extend({ role }),
    reason: z.string().optional(),
    approval: approvalSchema.optional(),
    approver: person.optional(),
    rollout: z
      .object({
        canary: count,
        step: z.union([count, z.string()]),
        pauseMs: count,
        abortOver: z.number().meta({ description: 'Share of settled targets, 0 to 1, that may fail.' }),
      })
      .optional(),
    submittedAt: timestamp,
    expiresAt: timestamp,
    timeoutMs: count.meta({ description: 'How long it may run on one endpoint.' }),
    endedAt: timestamp.optional(),
    cancel: z
      .object({
        by: person,
        code: z.string().meta({ description: '`cancelled`, `rejected`, `rollout_aborted`, `not_approved`.' }),
        message: z.string(),
        at: timestamp,
      })
      .optional(),
    released: count.meta({ description: 'How many targets a rollout has come to by now.' }),
    ledger: commandLedgerSchema,
  })
  .meta({ id: 'Command' });

export const submittedCommandSchema = commandSchema
  .extend({
    repeated: z
      .boolean()
      .meta({ description: 'An earlier request with the same idempotency key made it; nothing was ordered again.' }),
  })
  .meta({ id: 'SubmittedCommand' });

export const commandPlanSchema = z
  .object({
    targets: count,
    connected: count.meta({ description: 'Of these, connected now.' }),
    unsupported: count.meta({ description: 'Of these, on a platform that the action does not know.' }),
    approval: approvalSchema.optional(),
  })
  .meta({ id: 'CommandPlan', description: 'What a submit of the same order would begin now.' });

const outcome = {
  code: z.string().meta({ description: 'One word for programs; empty where the state says all.' }),
  message: z.string(),
  effects: z.array(z.string()).optional().meta({ description: 'What was done, or would be, one line each.' }),
  at: timestamp.optional().meta({ description: 'When it was kept; absent while nothing was said of the target.' }),
};

const targetMembers = {
  number: count.meta({ description: 'From 1; one endpoint has several when rows bind the command.' }),
  agentId: z.string().nullable(),
  host: z.string().nullable().meta({
    description: "Null, as the id, for an endpoint that is not known (yet) or not within the token's selector.",
  }),
  state: commandStateSchema,
  ...outcome,
};

export const commandTargetChangeSchema = z.object(targetMembers).meta({ id: 'CommandTargetChange' });

export const commandTargetSchema = z
  .object({
    ...targetMembers,
    late: z
      .object({ state: commandStateSchema, ...outcome })
      .optional()
      .meta({ description: 'What the endpoint reported after its target had settled otherwise; too late to count.' }),
  })
  .meta({ id: 'CommandTarget' });

export const commandPageSchema = z
  .object({
    items: z.array(
      commandSchema.extend({
        agentTargets: z
          .array(commandTargetSchema)
          .optional()
          .meta({ description: 'With `agent`: its targets of this command, at most 20.' }),
      }),
    ),
    nextCursor,
  })
  .meta({ id: 'CommandPage' });

export const commandTargetPageSchema = z
  .object({ status: commandStatusSchema, items: z.array(commandTargetSchema), nextCursor })
  .meta({ id: 'CommandTargetPage' });

/** One event of `/v1/commands/{id}/events`. Readers ignore events whose name they do not know. */
export const commandEventSchema = z
  .discriminatedUnion('event', [
    z.object({ event: z.literal('command'), seq, command: commandSchema }),
    z.object({ event: z.literal('targets'), seq, targets: z.array(commandTargetChangeSchema) }),
    z.object({ event: z.literal('ledger'), seq, ledger: commandLedgerSchema }),
    z.object({ event: z.literal('ended'), seq, command: commandSchema }),
    stalledEventSchema,
    z.object({ event: z.literal('heartbeat') }),
  ])
  .meta({ id: 'CommandEvent' });

/** Which targets an event stream tells of: those that settle, every one that changes, none. */
export const TARGET_DETAIL = ['settled', 'all', 'none'] as const;
export type TargetDetail = (typeof TARGET_DETAIL)[number];

const rowShapeSchema = z
  .object({
    table: z.string(),
    required: z.array(z.string()),
    optional: z.array(z.string()),
    integers: z.array(z.string()).optional(),
    hashed: z.array(z.string()).optional(),
  })
  .meta({ id: 'ActionRow', description: 'Columns of a row that an action can be bound to.' });

export const actionSchema = z
  .object({
    name: z.string(),
    summary: z.string(),
    params: z.record(z.string(), z.unknown()).meta({ description: 'JSON Schema (draft 2020-12) of the parameters.' }),
    object: z
      .array(z.object({ required: z.array(z.string()), optional: z.array(z.string()) }))
      .optional()
      .meta({ description: 'How parameters name what is acted on: exactly one of these ways, unless rows name it.' }),
    platforms: z.array(z.string()),
    reversible: z.boolean(),
    destructive: z.boolean(),
    binds: rowShapeSchema.optional(),
    bindsToo: z.array(rowShapeSchema).optional(),
    timeoutMs: z.int(),
  })
  .meta({ id: 'Action' });

export type CommandStatus = Json<typeof commandStatusSchema>;
export type CommandLedgerJson = Json<typeof commandLedgerSchema>;
export type CommandJson = Json<typeof commandSchema>;
export type SubmittedCommandJson = Json<typeof submittedCommandSchema>;
export type CommandTargetJson = Json<typeof commandTargetSchema>;
export type CommandTargetChangeJson = Json<typeof commandTargetChangeSchema>;
export type CommandPlanJson = Json<typeof commandPlanSchema>;
export type CommandEvent = Json<typeof commandEventSchema>;
export type ActionJson = Json<typeof actionSchema>;
