import type { GroupJson, RawRowJson } from '@muster/api-contract';
import type { Harness } from '../../kit/harness.js';
import type { KeptQuery, QueryObservation } from './observations.js';

/** Reads what the system keeps of a query. */
export async function readKeptQuery({ api }: Harness, { ask, mode }: QueryObservation, id: string): Promise<KeptQuery> {
  const params = { id };
  const query = await api.call('GET /v1/queries/{id}', { params });
  const [rows, failures] = await Promise.all([
    api.all('GET /v1/queries/{id}/rows', { params, pageSize: 1_000 }),
    api.all('GET /v1/queries/{id}/endpoints', { params, pageSize: 1_000 }),
  ]);
  if (mode === 'group') {
    const groups = rows as GroupJson[];
    const wrong = groups.filter(({ values }) => values[1] !== ask);
    const endpoints = groups.reduce((sum, group) => sum + group.endpoints, 0);
    return { query, endpoints, failures, wrong: wrong.map((group) => JSON.stringify(group)) };
  }
  const raw = rows as RawRowJson[];
  const wrong = raw.filter(({ host, values }) => values[1] !== ask || (host !== null && host !== values[0]));
  const agents = raw.map(({ agentId, num }) => agentId ?? `#${num}`);
  return { query, agents, endpoints: new Set(agents).size, failures, wrong: wrong.map((row) => JSON.stringify(row)) };
}
