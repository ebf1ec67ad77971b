import type { ApiClient } from '@muster/api-client';
import type { ActionJson } from '@muster/api-contract';
import { CliError, EXIT } from '../terminal/cli-error.js';
import { nearest } from '../terminal/nearest.js';

/** The actions that the server knows, which may be newer than this program. */
export async function listActions(client: ApiClient, signal?: AbortSignal): Promise<readonly ActionJson[]> {
  return (await client.call('GET /v1/actions', { signal })).items;
}

/** The action of this name. @throws CliError that suggests a similar name */
export async function getAction(client: ApiClient, name: string): Promise<ActionJson> {
  const actions = await listActions(client);
  const found = actions.find((action) => action.name === name);
  if (found !== undefined) return found;
  const near = nearest(
    name,
    actions.map((action) => action.name),
  );
  throw new CliError(`there is no action "${name}"`, {
    exitCode: EXIT.usage,
    hint: near === undefined ? '`muster actions` lists those there are' : `did you mean ${near}?`,
  });
}
