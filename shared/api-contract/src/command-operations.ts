import { COMMAND_STATES } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { commandRequestSchema, undoRequestSchema, waitQuerySchema } from './command-request.js';
import {
  actionSchema,
  commandEventSchema,
  commandIdParameter,
  commandPageSchema,
  commandSchema,
  commandStatusSchema,
  commandPlanSchema,
  submittedCommandSchema,
  TARGET_DETAIL,
  commandTargetPageSchema,
} from './command.js';
import { agentIdText, label } from './fields.js';
import { defineOperations, eventStream, jsonAnswer } from './operation.js';
import { afterParameter, beganFilters, cursorParameter, limitParameter } from './paging.js';

const REQUEST_PROBLEMS = [
  'bad_selector',
  'bad_timeout',
  'not_found',
  'table_forbidden',
  'results_expired',
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
  'no_telemetry_service',
  'timeout',
] as const;

const ACCEPTED = {
  description: 'It is in the journal: it will be carried out, refused or expire, exactly once for each target.',
  content: { 'application/json': submittedCommandSchema },
  headers: { location: 'Where the command is.' },
};

const statesParameter = z
  .string()
  .max(200)
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(COMMAND_STATES)).min(1))
  .optional()
  .meta({ description: 'Only targets in these states, with commas between.' });

export const commandOperations = defineOperations('commands', {
  listActions: {
    method: 'get',
    path: '/v1/actions',
    action: 'action.list',
    summary: 'Actions that can be ordered, with their parameters',
    access: 'commands:read',
    answers: {
      200: jsonAnswer('All of them, by name.', z.object({ items: z.array(actionSchema) }).meta({ id: 'ActionList' })),
    },
    problems: [],
  },
  submitCommand: {
    method: 'post',
    path: '/v1/commands',
    action: 'command.submit',
    audited: true,
    summary: 'Order an action on one or many endpoints',
    description:
      'Answers when the command is kept. Endpoints that are connected get it at once, the others when they return, until it expires. Where the ' +
      'policy asks for it, it first waits for the approval of a second person. Follow `/v1/commands/{id}/events` for what comes; with `wait` the answer ' +
      'itself tells how it ended, if it has by then.',
    access: 'commands:run',
    query: waitQuerySchema,
    body: commandRequestSchema,
    idempotent: 'passed_on',
    answers: { 202: ACCEPTED },
    problems: [...REQUEST_PROBLEMS, 'idempotency_mismatch'],
  },
  planCommand: {
    method: 'post',
    path: '/v1/commands/plan',
    action: 'command.plan',
    summary: 'How many endpoints an order would reach now, and whether it would need approval; nothing is ordered',
    access: 'commands:run',
    body: commandRequestSchema,
    answers: { 200: jsonAnswer('What a submit would begin.', commandPlanSchema) },
    problems: REQUEST_PROBLEMS,
  },
  undoCommand: {
    method: 'post',
    path: '/v1/commands/{id}/undo',
    action: 'command.undo',
    audited: true,
    summary: 'Take back what a command did, on every endpoint where it succeeded',
    description: 'A command of its own, whose events and targets are followed as those of any other.',
    access: 'commands:run',
    params: commandIdParameter,
    body: undoRequestSchema,
    idempotent: 'passed_on',
    answers: { 202: ACCEPTED },
    problems: [
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
    ],
  },
  listCommands: {
    method: 'get',
    path: '/v1/commands',
    action: 'command.list',
    summary: 'Commands of the last 30 days, newest first',
    description:
      'Whoever is bounded by a selector is listed their own. With that bound, or with `agent`, `operator` or `since`, a page may be short, or empty, and have a next one all the same.',
    access: 'commands:read',
    query: z.strictObject({
      status: commandStatusSchema.optional(),
      agent: agentIdText
        .optional()
        .meta({ description: 'Only those of which this endpoint is a target; each says how it fares there.' }),
      ...beganFilters,
      limit: limitParameter(50, 200),
      cursor: cursorParameter,
    }),
    answers: { 200: jsonAnswer('A page.', commandPageSchema) },
    problems: ['bad_cursor', 'not_found', 'no_command_service', 'timeout'],
  },
  showCommand: {
    method: 'get',
    path: '/v1/commands/{id}',
    action: 'command.show',
    summary: 'One command and its ledger, as its journal tells it by now',
    access: 'commands:read',
    params: commandIdParameter,
    answers: { 200: jsonAnswer('The command.', commandSchema) },
    problems: ['not_found'],
  },
  listCommandTargets: {
    method: 'get',
    path: '/v1/commands/{id}/targets',
    action: 'command.targets',
    summary: 'Every target of a command, and how it fares',
    access: 'commands:read',
    params: commandIdParameter,
    query: z.strictObject({ state: statesParameter, limit: limitParameter(1_000, 10_000), cursor: cursorParameter }),
    answers: { 200: jsonAnswer('A page, by target number.', commandTargetPageSchema) },
    problems: ['bad_cursor', 'not_found'],
  },
  cancelCommand: {
    method: 'delete',
    path: '/v1/commands/{id}',
    action: 'command.cancel',
    audited: true,
    summary: 'Cancel a command: what has not begun does not begin, what runs is told to stop',
    description:
      'Each target says in the end what really happened there. For a command that awaits approval this is its rejection. A command that has ended is ' +
      'left as it is, and the answer is 204.',
    access: 'commands:cancel',
    params: commandIdParameter,
    query: z.strictObject({ reason: label(500).optional() }),
    answers: {
      202: jsonAnswer('It is cancelled; its events tell what becomes of what had begun.', commandSchema),
      204: { description: 'It had ended already.' },
    },
    problems: ['not_found', 'conflict', 'no_command_service', 'timeout'],
  },
  approveCommand: {
    method: 'post',
    path: '/v1/commands/{id}/approve',
    action: 'command.approve',
    audited: true,
    summary: 'Approve what somebody else has ordered; it is signed with both names, and begins',
    description: 'To approve again what one has approved changes nothing. Rejecting is cancelling.',
    access: 'commands:approve',
    params: commandIdParameter,
    body: z.strictObject({}).default({}),
    answers: { 200: jsonAnswer('It is approved.', commandSchema) },
    problems: [
      'not_found',
      'conflict',
      'self_approval',
      'too_large',
      'unsupported_media_type',
      'no_command_service',
      'timeout',
    ],
  },
  streamCommandEvents: {
    method: 'get',
    path: '/v1/commands/{id}/events',
    action: 'command.events',
    summary: 'Everything that happens to a command, as it happens',
    description:
      'Server-sent events, or one JSON object per line with `Accept: application/x-ndjson`: `command` (it is submitted, approved, goes on, is ' +
      'cancelled), `targets` (how some of them fare), `ledger`, and `ended`, after which the stream ends. A reader who was cut off goes on ' +
      'with `Last-Event-ID` or `after`; some of the last events may then come again. When there is nothing more, the answer is 204. A command ' +
      'whose endpoints are away may say nothing for as long as it lasts; heartbeats tell that the connection lives.',
    access: 'commands:read',
    params: commandIdParameter,
    query: z.strictObject({
      after: afterParameter,
      targets: z.enum(TARGET_DETAIL).default('settled').meta({
        description: 'Which targets to tell of: those that settle, all whose state changes, or none.',
      }),
    }),
    ...eventStream(commandEventSchema, 'The command has ended, and there is no later event.'),
    problems: ['not_found', 'not_acceptable', 'draining'],
  },
});
