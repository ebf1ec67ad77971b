import { operations } from '@muster/api-contract';
import type { Directory } from '@muster/directory';
import { type CommandSummary, summaryOf } from '@muster/messages';
import { COMMAND_STATES, type CommandId } from '@muster/protocol';
import type { CommandStatus } from '@muster/records';
import type { Principal } from '../http/principal.js';
import { decodeCursor, encodeCursor, idPosition, position } from '../http/cursor.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { CommandClient } from '../upstream/command-client.js';
import { commandJson, foldedTargetJson, visibilityOf } from './command-json.js';
import type { CommandStore } from './command-store.js';

export interface CommandParts {
  readonly client: CommandClient;
  readonly store: CommandStore;
  readonly directory: Pick<Directory, 'byNum'>;
}

/** Listing and showing commands and their targets. */
export function commandOperations(parts: CommandParts): Operation[] {
  return [listOperation(parts), showOperation(parts), targetsOperation(parts)];
}

function listOperation({ client }: CommandParts): Operation {
  return implement(operations.listCommands, async ({ principal, query: { status, limit, cursor } }) => {
    const before = cursor === undefined ? undefined : decodeCursor('commands', cursor, [idPosition])[0];
    const page = await listPage(client, principal, { before: before as CommandId | undefined, status, limit });
    return json(200, {
      items: page.items.map(commandJson),
      ...(page.next === undefined ? {} : { nextCursor: encodeCursor('commands', [page.next]) }),
    });
  });
}

interface ListQuestion {
  readonly before: CommandId | undefined;
  readonly status: CommandStatus | undefined;
  readonly limit: number;
}

/** Few enough that one reply holds them, however large their parameters are. */
const ASKED_AT_ONCE = 40;
/** How many commands one request reads at most for a bounded principal. */
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
  return implement(operations.showCommand, async ({ principal, params, signal }) => {
    const { fold } = await store.find(principal, params.id, signal);
    return json(200, commandJson(summaryOf(fold)));
  });
}

function targetsOperation({ store, directory }: CommandParts): Operation {
  return implement(
    operations.listCommandTargets,
    async ({ principal, params, query: { state, limit, cursor }, signal }) => {
      const after = cursor === undefined ? 0 : decodeCursor('targets', cursor, [position])[0];
      const { fold } = await store.find(principal, params.id, signal);
      const selected = new Set(state ?? COMMAND_STATES);
      const numbers: number[] = [];
      for (let number = after + 1; number <= fold.nums.length && numbers.length <= limit; number += 1) {
        if (selected.has(fold.state(number))) numbers.push(number);
      }
      const page = numbers.slice(0, limit);
      const last = page.at(-1);
      const visibility = visibilityOf(principal, directory);
      return json(200, {
        status: fold.status,
        items: page.map((number) => foldedTargetJson(fold, number, visibility)),
        ...(numbers.length > limit && last !== undefined ? { nextCursor: encodeCursor('targets', [last]) } : {}),
      });
    },
  );
}
