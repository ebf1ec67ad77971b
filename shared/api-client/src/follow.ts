import type { CommandJson, CommandLedgerJson, LedgerJson, QueryJson } from '@muster/api-contract';
import type { ApiClient } from './client.js';
import type { InputOf, Operations } from './endpoints.js';
import { ConnectionError } from './errors.js';

type StartQuery = NonNullable<InputOf<Operations['POST /v1/queries']>['body']>;

/** Starts a query and follows it to its end. `onLedger` is called with each ledger on the way. @throws as {@link ApiClient} does */
export async function runQuery(
  client: ApiClient,
  body: StartQuery,
  onLedger?: (ledger: LedgerJson) => void,
): Promise<QueryJson> {
  const { id } = await client.call('POST /v1/queries', { body });
  return followQuery(client, id, onLedger);
}

/** Follows a query from its first event to its end, and returns it as it ended. */
export async function followQuery(
  client: ApiClient,
  id: string,
  onLedger: (ledger: LedgerJson) => void = () => undefined,
): Promise<QueryJson> {
  for await (const event of client.events('GET /v1/queries/{id}/events', { params: { id } })) {
    if (event.event === 'progress') onLedger(event.ledger);
    if (event.event === 'ended') return event.query;
  }
  throw endless('query', id);
}

/** Follows a command from its first event to its end, and returns it as it ended. */
export async function followCommand(
  client: ApiClient,
  id: string,
  onLedger: (ledger: CommandLedgerJson) => void = () => undefined,
): Promise<CommandJson> {
  for await (const event of client.events('GET /v1/commands/{id}/events', { params: { id } })) {
    if (event.event === 'ledger') onLedger(event.ledger);
    if (event.event === 'ended') return event.command;
  }
  throw endless('command', id);
}

function endless(what: string, id: string): ConnectionError {
  return new ConnectionError('cut', `the events of ${what} ${id} are over, and its end was not among them`);
}
