import { isAgentId } from '@muster/protocol';
import { CliError, usageError } from '../terminal/cli-error.js';
import type { ApiClient } from '@muster/api-client';
import type { AgentJson } from '@muster/api-contract';

const NAMED = 5;

/** The one agent with this id or host name. @throws CliError when there is none, or several machines have the name */
export async function findAgent(client: ApiClient, name: string): Promise<AgentJson> {
  if (isAgentId(name)) return client.call('GET /v1/agents/{id}', { params: { id: name } });
  // A host name becomes part of a selector and must fit its grammar.
  if (!/^[A-Za-z0-9][-A-Za-z0-9_.]*$/.test(name))
    throw usageError(`"${name}" is neither an agent's id nor a host name`);
  const query = { selector: `host=${name}`, revoked: 'include', limit: NAMED + 1 } as const;
  const { items } = await client.call('GET /v1/agents', { query });
  const [first, ...others] = items;
  if (first === undefined)
    throw new CliError(`no endpoint is called ${name}`, { hint: '`muster agents` lists those there are' });
  if (others.length === 0) return first;
  const ids = items.slice(0, NAMED).map(({ agentId }) => agentId);
  throw new CliError(`${items.length > NAMED ? `more than ${NAMED}` : items.length} endpoints are called ${name}`, {
    hint: `name one by its id: ${ids.join(', ')}${items.length > NAMED ? ', …' : ''}`,
  });
}
