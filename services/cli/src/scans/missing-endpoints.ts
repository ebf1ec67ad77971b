import type { ScanJson } from '@muster/api-contract';
import { ApiProblem } from '@muster/api-client';
import type { CommandEnv } from '../environment/command-env.js';
import { numberText } from '../terminal/listing.js';
import { renderTable, styleFor } from '../terminal/table.js';

const NAMED = 10;

/** Who was not scanned, and why: the first of them. Empty when everybody was. */
export async function missingText(env: CommandEnv, { id, ledger, state }: ScanJson): Promise<string> {
  const missing = ledger.targeted - ledger.answered - ledger.waiting;
  if (missing <= 0 || state === 'running') return '';
  const { stderr, env: variables } = env.terminal;
  const style = styleFor(stderr.isTTY, variables);
  try {
    const call = { params: { id }, query: { limit: NAMED } };
    const { items } = await env.client().call('GET /v1/queries/{id}/endpoints', call);
    const rows = items.map(({ host, num, outcome, message }) => [host ?? `#${num}`, outcome, message]);
    const table = renderTable({ headers: ['host', 'outcome', 'why'], width: stderr.columns, style }, rows);
    const more = missing > NAMED ? `… and ${numberText(missing - NAMED)} more: muster queries endpoints ${id}\n` : '';
    return `Not scanned:\n${table}${more}`;
  } catch (error) {
    // A scan is kept longer than who had no answer.
    if (error instanceof ApiProblem) return '';
    throw error;
  }
}
