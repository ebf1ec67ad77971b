import type { ApiClient } from '@muster/api-client';
import { isAgentId, isCommandId, isQueryId } from '@muster/protocol';
import { CliError, usageError } from '../terminal/cli-error.js';

/** Kinds of things that have an id, as people call them. */
export type Kind = 'query' | 'command' | 'agent' | 'token' | 'webhook' | 'schedule' | 'exception';

interface Rules {
  readonly isWhole: (text: string) => boolean;
  /** What the beginning of an id looks like. */
  readonly begins: RegExp;
  /** The ids that begin so, at most {@link ASKED} of them. */
  readonly find: (client: ApiClient, prefix: string) => Promise<readonly string[]>;
  readonly list: string;
}

/** More than are named, so that it is known whether there are more. */
const ASKED = 6;
const NAMED = 5;

const RULES: Readonly<Record<Kind, Rules>> = {
  query: {
    isWhole: isQueryId,
    begins: /^q[0-9a-z]{0,25}$/,
    find: async (client, id) => (await client.call('GET /v1/queries', { query: { id, limit: ASKED } })).items.map(idOf),
    list: 'muster queries',
  },
  command: {
    isWhole: isCommandId,
    begins: /^c[0-9a-z]{0,25}$/,
    find: async (client, id) =>
      (await client.call('GET /v1/commands', { query: { id, limit: ASKED } })).items.map(idOf),
    list: 'muster commands',
  },
  agent: {
    isWhole: isAgentId,
    begins: /^[a-z2-7]{1,23}$/,
    find: async (client, id) => {
      const query = { id, revoked: 'include', limit: ASKED } as const;
      return (await client.call('GET /v1/agents', { query })).items.map(({ agentId }) => agentId);
    },
    list: 'muster agents',
  },
  token: {
    isWhole: (text) => /^[a-z2-7]{16}$/.test(text),
    begins: /^[\w-]{1,64}$/,
    find: (client, id) => beginning(id, client.items('GET /v1/tokens'), ({ tokenId }) => tokenId),
    list: 'muster tokens',
  },
  webhook: {
    isWhole: (text) => /^w[a-z2-7]{16}$/.test(text),
    begins: /^[\w-]{1,64}$/,
    find: (client, id) => beginning(id, client.items('GET /v1/webhooks'), idOf),
    list: 'muster webhooks',
  },
  schedule: {
    isWhole: (text) => /^sch[a-z2-7]{13}$/.test(text),
    begins: /^[\w-]{1,64}$/,
    find: async (client, id) =>
      (await client.call('GET /v1/schedules', {})).items.map(idOf).filter((one) => one.startsWith(id)),
    list: 'muster schedule list',
  },
  exception: {
    isWhole: (text) => /^exc[a-z2-7]{13}$/.test(text),
    begins: /^[\w-]{1,64}$/,
    find: async (client, id) =>
      (await client.call('GET /v1/exceptions', { query: { ended: 'include' } })).items
        .map(idOf)
        .filter((one) => one.startsWith(id)),
    list: 'muster exception list',
  },
};

/**
 * The whole id for one that may be shortened to its beginning.
 * @throws CliError when nothing begins so, or several do, which are then named
 */
export async function wholeId(client: ApiClient, kind: Kind, text: string): Promise<string> {
  const { isWhole, find, list } = RULES[kind];
  checkId(kind, text);
  if (isWhole(text)) return text;
  const found = await find(client, text);
  const [first, ...others] = found;
  if (first === undefined)
    throw usageError(`no ${kind} has an id that begins with "${text}"`, `\`${list}\` lists them`);
  if (others.length === 0 || found.includes(text)) return others.length === 0 ? first : text;
  const more = found.length > NAMED ? ', …' : '';
  throw new CliError(`several ids begin with "${text}": ${found.slice(0, NAMED).join(', ')}${more}`, {
    exitCode: 2,
    hint: 'give more of it',
  });
}

/** Refuses at once what cannot be the beginning of an id. @throws CliError */
export function checkId(kind: Kind, text: string): void {
  const { isWhole, begins, list } = RULES[kind];
  if (!isWhole(text) && !begins.test(text))
    throw usageError(`"${text}" is not the id of ${kind === 'agent' ? 'an' : 'a'} ${kind}`, `\`${list}\` lists them`);
}

const idOf = ({ id }: { readonly id: string }): string => id;

async function beginning<T>(prefix: string, items: AsyncIterable<T>, of: (item: T) => string): Promise<string[]> {
  const found: string[] = [];
  for await (const item of items) {
    if (of(item).startsWith(prefix)) found.push(of(item));
    if (found.length === ASKED) break;
  }
  return found;
}
