import { call, create, eventsOf, type ApiAccess } from '../measure/rest.js';
import { text } from 'node:stream/consumers';

/** One command as its client sees it; times in milliseconds since it was sent. */
export interface CommandTimes {
  readonly id: string;
  /** `202`: the command is in the journal. */
  readonly acceptedMs: number;
  /** No live target is `queued` or `sent` any more: every agent has confirmed the command. */
  readonly reachedMs: number;
  readonly endedMs: number;
  readonly ledger: Readonly<Record<string, number>>;
}

type Ledger = Readonly<Record<string, number>>;

/** Submits a command over REST and follows it over server-sent events to its end. */
export async function timeCommand(api: ApiAccess, body: Readonly<Record<string, unknown>>): Promise<CommandTimes> {
  const begin = performance.now();
  const id = await submitCommand(api, body);
  const acceptedMs = performance.now() - begin;
  let reachedMs = Number.NaN;
  for await (const { name, data } of eventsOf(api, `/v1/commands/${id}/events`)) {
    const ledger = ledgerOf(name, data);
    if (ledger === undefined) continue;
    const unreached = (ledger['queued'] ?? 0) + (ledger['sent'] ?? 0);
    if (unreached === 0 && Number.isNaN(reachedMs)) reachedMs = performance.now() - begin;
    if (name === 'ended') return { id, acceptedMs, reachedMs, endedMs: performance.now() - begin, ledger };
  }
  throw new Error('unreachable');
}

/** Submits a command and waits for the answer with its outcome: one request, from the API to the agent and back. */
export async function timeAnsweredCommand(api: ApiAccess, body: Readonly<Record<string, unknown>>): Promise<number> {
  const begin = performance.now();
  const path = '/v1/commands?wait=10s';
  const response = await call(api, { method: 'POST', path, body: JSON.stringify(body) });
  const answer = await text(response);
  const tookMs = performance.now() - begin;
  const { status, ledger } = JSON.parse(answer) as { status?: string; ledger?: Ledger };
  if (status !== 'ended' || ledger?.['succeeded'] !== ledger?.['targeted']) {
    throw new Error(`a command of the bench did not succeed in time: ${response.statusCode} ${answer}`);
  }
  return tookMs;
}

export function submitCommand(api: ApiAccess, body: Readonly<Record<string, unknown>>): Promise<string> {
  return create(api, 'command', '/v1/commands', body);
}

function ledgerOf(name: string, data: string): Ledger | undefined {
  if (name === 'ledger') return (JSON.parse(data) as { ledger: Ledger }).ledger;
  if (name === 'ended') return (JSON.parse(data) as { command: { ledger: Ledger } }).command.ledger;
  return undefined;
}
