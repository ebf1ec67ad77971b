import { setTimeout as delay } from 'node:timers/promises';
import type { ChainLink } from '@muster/records';
import { CliError } from '../terminal/cli-error.js';
import { ApiProblem, ConnectionFault, type ApiClient } from '../environment/api-client.js';
import { linesOf } from '../environment/event-stream.js';

const MAX_ATTEMPTS = 8;
const FIRST_PAUSE_MS = 200;

/**
 * Every record of the audit chain, oldest first. It goes on where a connection broke, and does not take a stream that ends before the newest
 * record for the whole. @throws ConnectionFault, ApiProblem, CliError
 */
export async function* readChain(client: ApiClient): AsyncGenerator<ChainLink> {
  const { items } = await client.json<{ items: { seq: number }[] }>('/v1/audit', { query: { limit: 1 } });
  const newest = items[0]?.seq ?? 0;
  let last = 0;
  for (let attempt = 0; ; attempt += 1) {
    try {
      for await (const link of readFrom(client, last)) {
        attempt = 0;
        last = link.seq;
        yield link;
      }
      if (last >= newest) return;
    } catch (error) {
      const lost =
        error instanceof ConnectionFault || (error instanceof ApiProblem && error.problem['retryable'] === true);
      if (!lost || attempt >= MAX_ATTEMPTS) throw error;
    }
    if (attempt >= MAX_ATTEMPTS)
      throw new CliError(`the chain ends with record ${last}, but there is a record ${newest}: records are held back`);
    await delay(FIRST_PAUSE_MS * 2 ** Math.min(attempt, 4));
  }
}

async function* readFrom(client: ApiClient, after: number): AsyncGenerator<ChainLink> {
  const response = await client.open('/v1/audit/chain', {
    headers: { accept: 'application/x-ndjson' },
    query: { after: after === 0 ? undefined : after },
  });
  try {
    for await (const line of linesOf(response)) if (line !== '') yield parseLink(line);
  } finally {
    response.destroy();
  }
}

function parseLink(line: string): ChainLink {
  try {
    const link = JSON.parse(line) as ChainLink;
    if (Number.isSafeInteger(link.seq) && typeof link.record === 'object' && link.record !== null) return link;
  } catch {
    // Said below, as for any other line that is no record.
  }
  throw new CliError('the server sent a line of the chain that is no record');
}
