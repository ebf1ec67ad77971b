import { nearest } from '../terminal/nearest.js';
import { isAgentId } from '@muster/protocol';
import { CliError, usageError } from '../terminal/cli-error.js';
import type { ApiClient } from '@muster/api-client';
import type { AgentJson } from '@muster/api-contract';

const NAMED = 5;

/**
 * The one agent with this id, the beginning of it, or this host name. @throws CliError when there is none, or several
 * machines have the name
 */
export async function findAgent(client: ApiClient, name: string): Promise<AgentJson> {
  if (isAgentId(name)) return client.call('GET /v1/agents/{id}', { params: { id: name } });
  // A host name becomes part of a selector and must fit its grammar.
  if (!/^[A-Za-z0-9][-A-Za-z0-9_.]*$/.test(name))
    throw usageError(`"${name}" is neither an agent's id nor a host name`);
  const query = { selector: `host=${name}`, revoked: 'include', limit: NAMED + 1 } as const;
  const { items } = await client.call('GET /v1/agents', { query });
  const [first, ...others] = items;
  if (first === undefined && /^[a-z2-7]{4,23}$/.test(name)) return findByPrefix(client, name);
  if (first === undefined) throw await unknownHost(client, name);
  if (others.length === 0) return first;
  const ids = items.slice(0, NAMED).map(({ agentId }) => agentId);
  throw new CliError(`${items.length > NAMED ? `more than ${NAMED}` : items.length} endpoints are called ${name}`, {
    hint: `name one by its id: ${ids.join(', ')}${items.length > NAMED ? ', …' : ''}`,
  });
}

/** What is no host name may be the beginning of an id. */
async function findByPrefix(client: ApiClient, prefix: string): Promise<AgentJson> {
  const { items } = await client.call('GET /v1/agents', {
    query: { id: prefix, revoked: 'include', limit: NAMED + 1 },
  });
  const [first, ...others] = items;
  if (first !== undefined && others.length === 0) return first;
  if (first === undefined) throw await unknownHost(client, prefix);
  const more = items.length > NAMED ? ', …' : '';
  const ids = items.slice(0, NAMED).map(({ agentId }) => agentId);
  throw new CliError(`several ids begin with "${prefix}": ${ids.join(', ')}${more}`, { hint: 'give more of it' });
}

/** How many names of hosts are looked at for one that is similar. */
const COMPARED = 1_000;

async function unknownHost(client: ApiClient, name: string): Promise<CliError> {
  const page = await client.call('GET /v1/agents', { query: { limit: COMPARED } }).catch(() => undefined);
  const meant = nearest(name, page?.items.map(({ host }) => host) ?? []);
  return new CliError(`no endpoint is called ${name}`, {
    hint: meant === undefined ? '`muster agents` lists those there are' : `did you mean ${meant}?`,
  });
}
