import { operations } from '@muster/api-contract';
import type { Directory } from '@muster/directory';
import { type CommandSummary, summaryOf } from '@muster/messages';
import { COMMAND_STATES, firstIdAt, type CommandId } from '@muster/protocol';
import type { CommandStatus } from '@muster/records';
import { visibleAgent } from '../agents/visible-agent.js';
import type { Principal } from '../http/principal.js';
import { decodeCursor, encodeCursor, idPosition, position } from '../http/cursor.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { CommandClient } from '../upstream/command-client.js';
import { commandJson, foldedTargetJson, visibilityOf } from './command-json.js';
import type { CommandStore } from './command-store.js';

export interface CommandParts {
  readonly client: CommandClient;
  readonly store: CommandStore;
  readonly directory: Pick<Directory, 'byNum' | 'byId'>;
}

/** Listing and showing commands and their targets. */
export function commandOperations(parts: CommandParts): Operation[] {
  return [listOperation(parts), showOperation(parts), targetsOperation(parts)];
}

function listOperation(parts: CommandParts): Operation {
  return implement(operations.listCommands, async ({ principal, query, signal }) => {
    const { id: prefix = '', status, agent, operator, since, until, limit, cursor } = query;
    const targetsOf = agent === undefined ? undefined : targetsOfAgent(parts, principal, agent, signal);
    const page = await listPage(parts.client, principal, {
      ...{ status, operator, limit, targetsOf },
      before: earliest(
        cursor === undefined ? undefined : decodeCursor('commands', cursor, [idPosition])[0],
        until === undefined ? undefined : firstIdAt('c', until),
        // After every id that begins so.
        prefix === '' ? undefined : `${prefix}~`,
      ),
      from: latest(prefix, since === undefined ? '' : firstIdAt('c', since)),
    });
    return json(200, {
      items: page.items.map(({ command, targets }) => ({
        ...commandJson(command),
        ...(targets === undefined ? {} : { agentTargets: targets }),
      })),
      ...(page.next === undefined ? {} : { nextCursor: encodeCursor('commands', [page.next]) }),
    });
  });
}

type TargetJson = ReturnType<typeof foldedTargetJson>;

/** The targets of a command that are one endpoint. Finished, because a command may have 100,000 of others that are not to be kept. */
interface TargetsOfAgent {
  readonly targets: readonly TargetJson[];
  /** How many targets were read for it. */
  readonly read: number;
}

const MAX_AGENT_TARGETS = 20;

/** Finds the targets that are this endpoint. @throws AppError `not_found`, also for an endpoint that this principal may not see */
function targetsOfAgent(
  { store, directory }: CommandParts,
  principal: Principal,
  agentId: string,
  signal: AbortSignal,
): (id: CommandId) => Promise<TargetsOfAgent> {
  const { num: wanted } = visibleAgent(directory, principal, agentId);
  const visibility = visibilityOf(principal, directory);
  return async (id) => {
    const command = await store.read(principal.org, id, signal);
    if (command === undefined) return { targets: [], read: 0 };
    const { fold } = command;
    const targets: TargetJson[] = [];
    for (const [at, num] of fold.nums.entries()) {
      if (num === wanted) targets.push(foldedTargetJson(fold, at + 1, visibility));
      if (targets.length === MAX_AGENT_TARGETS) break;
    }
    return { targets, read: fold.nums.length };
  };
}

/** Before which id the list begins. */
function earliest(...ids: readonly (string | undefined)[]): CommandId | undefined {
  return ids.filter((id) => id !== undefined).toSorted()[0] as CommandId | undefined;
}

const latest = (one: string, other: string): string => (one > other ? one : other);

interface ListQuestion {
  readonly before: CommandId | undefined;
  /** The first id that may be listed. */
  readonly from: string;
  /** An id or a name. */
  readonly operator: string | undefined;
  readonly status: CommandStatus | undefined;
  readonly limit: number;
  /** Where only commands of one endpoint are listed. */
  readonly targetsOf?: ((id: CommandId) => Promise<TargetsOfAgent>) | undefined;
}

interface ListedCommand {
  readonly command: CommandSummary;
  readonly targets?: readonly TargetJson[];
}

/** Few enough that one reply holds them, however large their parameters are. */
const ASKED_AT_ONCE = 40;
/** How many commands one request reads at most for a bounded principal. */
const MAX_LOOKED_AT = 2_000;
/** As many, where the journal of each is read for its targets. */
const MAX_READ = 120;
/** After so many targets of those the page ends, however short it is. */
const MAX_TARGETS_READ = 500_000;

/** A page of commands that this principal may see, the newest first. */
export async function listPage(
  client: Pick<CommandClient, 'list'>,
  { org, id, bound }: Principal,
  { status, limit, operator: wanted, from, targetsOf, ...question }: ListQuestion,
): Promise<{ readonly items: ListedCommand[]; readonly next?: CommandId }> {
  const items: ListedCommand[] = [];
  let { before } = question;
  let targetsRead = 0;
  for (let lookedAt = 0; lookedAt < (targetsOf === undefined ? MAX_LOOKED_AT : MAX_READ);) {
    const { commands } = await client.list({
      t: 'list',
      org,
      limit: ASKED_AT_ONCE,
      ...(before === undefined ? {} : { before }),
      ...(status === undefined ? {} : { status }),
    });
    for (const command of commands) {
      if (items.length === limit) return { items, ...(before === undefined ? {} : { next: before }) };
      const { operator } = command.record;
      if (command.record.id < from) return { items };
      const isOf = wanted === undefined || operator.id === wanted || operator.name === wanted;
      if (isOf && (bound.length === 0 || operator.id === id)) {
        const found = await targetsOf?.(command.record.id);
        targetsRead += found?.read ?? 0;
        if (found === undefined) items.push({ command });
        else if (found.targets.length > 0) items.push({ command, targets: found.targets });
      }
      before = command.record.id;
      if (targetsRead >= MAX_TARGETS_READ) return { items, next: before };
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
