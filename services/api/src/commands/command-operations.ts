import type { Directory } from '@muster/directory';
import { type CommandSummary, summaryOf } from '@muster/messages';
import { COMMAND_STATES, type CommandId } from '@muster/protocol';
import type { CommandStatus } from '@muster/records';
import { z } from 'zod';
import type { Principal } from '../auth/principal.js';
import { cursorParameter, decodeCursor, encodeCursor, limitParameter, position } from '../http/cursor.js';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { problems } from '../http/schemas.js';
import type { CommandClient } from './command-client.js';
import { commandJson, foldedTargetJson, sightOf } from './command-json.js';
import {
  commandIdParameter,
  commandPageSchema,
  commandSchema,
  commandStatusSchema,
  targetPageSchema,
} from './command-schemas.js';
import type { CommandStore } from './command-store.js';

export interface CommandParts {
  readonly client: CommandClient;
  readonly store: CommandStore;
  readonly directory: Pick<Directory, 'byNum'>;
}

/** Looking at commands. */
export function commandOperations(parts: CommandParts): Operation[] {
  return [listOperation(parts), showOperation(parts), targetsOperation(parts)];
}

function listOperation({ client }: CommandParts): Operation {
  return defineOperation({
    id: 'listCommands',
    method: 'get',
    path: '/v1/commands',
    tag: 'commands',
    action: 'command.list',
    summary: 'Commands of the last 30 days, newest first',
    description:
      'Whoever is bounded by a selector is listed their own; then a page may be short, or empty, and have a next one all the same.',
    access: 'commands:read',
    query: z.strictObject({
      status: commandStatusSchema.optional(),
      limit: limitParameter(50, 200),
      cursor: cursorParameter,
    }),
    responses: {
      200: { description: 'A page.', content: { 'application/json': commandPageSchema } },
      ...problems('bad_cursor', 'no_command_service', 'timeout'),
    },
    handle: async ({ principal, query: { status, limit, cursor } }) => {
      const before = cursor === undefined ? undefined : decodeCursor('commands', cursor, [z.string()])[0];
      const page = await listPage(client, principal, { before: before as CommandId | undefined, status, limit });
      return json(200, {
        items: page.items.map(commandJson),
        ...(page.next === undefined ? {} : { nextCursor: encodeCursor('commands', [page.next]) }),
      });
    },
  });
}

interface ListQuestion {
  readonly before: CommandId | undefined;
  readonly status: CommandStatus | undefined;
  readonly limit: number;
}

/** So few that one reply holds them whatever their parameters are. */
const ASKED_AT_ONCE = 40;
/** What one request may look through on behalf of somebody who is bounded. */
const MAX_LOOKED_AT = 2_000;

async function listPage(
  client: Pick<CommandClient, 'list'>,
  { org, id, bound }: Principal,
  { status, limit, ...question }: ListQuestion,
): Promise<{ readonly items: CommandSummary[]; readonly next?: CommandId }> {
  const items: CommandSummary[] = [];
  let { before } = question;
  for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT;) {
    const { commands } = await client.list({
      t: 'list',
      org,
      limit: ASKED_AT_ONCE,
      ...(before === undefined ? {} : { before }),
      ...(status === undefined ? {} : { status }),
    });
    for (const command of commands) {
      if (items.length === limit) return { items, ...(before === undefined ? {} : { next: before }) };
      if (bound.length === 0 || command.record.operator.id === id) items.push(command);
      before = command.record.id;
    }
    lookedAt += commands.length;
    if (commands.length < ASKED_AT_ONCE) return { items };
  }
  return { items, ...(before === undefined ? {} : { next: before }) };
}

function showOperation({ store }: CommandParts): Operation {
  return defineOperation({
    id: 'showCommand',
    method: 'get',
    path: '/v1/commands/{id}',
    tag: 'commands',
    action: 'command.show',
    summary: 'One command and its ledger, as its journal tells it by now',
    access: 'commands:read',
    params: commandIdParameter,
    responses: {
      200: { description: 'The command.', content: { 'application/json': commandSchema } },
      ...problems('not_found'),
    },
    handle: async ({ principal, params, signal }) => {
      const { fold } = await store.find(principal, params.id, signal);
      return json(200, commandJson(summaryOf(fold)));
    },
  });
}

const statesParameter = z
  .string()
  .max(200)
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(COMMAND_STATES)).min(1))
  .optional()
  .meta({ description: 'Only targets in these states, with commas between.' });

function targetsOperation({ store, directory }: CommandParts): Operation {
  return defineOperation({
    id: 'listCommandTargets',
    method: 'get',
    path: '/v1/commands/{id}/targets',
    tag: 'commands',
    action: 'command.targets',
    summary: 'Every target of a command, and how it fares',
    access: 'commands:read',
    params: commandIdParameter,
    query: z.strictObject({ state: statesParameter, limit: limitParameter(1_000, 10_000), cursor: cursorParameter }),
    responses: {
      200: { description: 'A page, by target number.', content: { 'application/json': targetPageSchema } },
      ...problems('bad_cursor', 'not_found'),
    },
    handle: async ({ principal, params, query: { state, limit, cursor }, signal }) => {
      const after = cursor === undefined ? 0 : decodeCursor('targets', cursor, [position])[0];
      const { fold } = await store.find(principal, params.id, signal);
      const wanted = new Set(state ?? COMMAND_STATES);
      const numbers: number[] = [];
      for (let number = after + 1; number <= fold.nums.length && numbers.length <= limit; number += 1) {
        if (wanted.has(fold.state(number))) numbers.push(number);
      }
      const page = numbers.slice(0, limit);
      const last = page.at(-1);
      const sight = sightOf(principal, directory);
      return json(200, {
        status: fold.status,
        items: page.map((number) => foldedTargetJson(fold, number, sight)),
        ...(numbers.length > limit && last !== undefined ? { nextCursor: encodeCursor('targets', [last]) } : {}),
      });
    },
  });
}
