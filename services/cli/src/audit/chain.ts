import { resumed, type ApiClient } from '@muster/api-client';
import type { AuditLinkJson } from '@muster/api-contract';
import type { ChainLink } from '@muster/records';
import { CliError } from '../terminal/cli-error.js';

/**
 * Every record of the audit chain, oldest first. After a broken connection it continues behind the last record. A stream that ends
 * before the newest record does not count as the whole chain. @throws ConnectionError, ApiProblem, CliError
 */
export async function* readChain(client: ApiClient): AsyncGenerator<ChainLink> {
  const { items } = await client.call('GET /v1/audit', { query: { limit: 1 } });
  const newest = items[0]?.seq ?? 0;
  let last = 0;
  const open = (): AsyncGenerator<AuditLinkJson> =>
    client.lines('GET /v1/audit/chain', { query: { after: last === 0 ? undefined : last } });
  const incomplete = (): CliError =>
    new CliError(`the chain ends with record ${last}, but there is a record ${newest}: records are held back`);
  for await (const line of resumed(open, () => last >= newest, { incomplete })) {
    if (!isLink(line)) throw new CliError('the server sent a line of the chain that is no record');
    last = line.seq;
    yield line;
  }
}

/** The server is not trusted, so the form of its lines is checked. */
function isLink(line: unknown): line is ChainLink {
  const { seq, record } = (line ?? {}) as Partial<ChainLink>;
  return Number.isSafeInteger(seq) && typeof record === 'object' && record !== null;
}
