import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiClient, runQuery } from '@muster/api-client';
import { eventually } from '@muster/runtime/testing';
import { startHarness, type Harness } from '../kit/harness.js';

const SECRET = "SELECT count(*) > 0 AS found FROM process_envs WHERE key = 'PATH'";
const PERSONAL = 'SELECT count(*) >= 0 AS found FROM known_hosts';
const PLAIN = 'SELECT count(*) > 0 AS found FROM processes';
const ENV = { MUSTER_API_SENSITIVE_TABLES: 'personal=analyst,secret=admin' };

/** Real API, query service, gateway and agent; nobody hears of a question that is refused. */
describe('tables that may hold secrets', () => {
  let harness: Harness;
  let analyst: ApiClient;
  let viewer: ApiClient;
  beforeAll(async () => {
    harness = await startHarness({ env: { api: ENV } });
    await harness.stack.addAgent();
    const live = async () => (await harness.api.all('GET /v1/agents', { query: { selector: 'mode=live' } })).length;
    await eventually(async () => (await live()) === 1, 'live');
    const clientOf = async (role: 'analyst' | 'viewer'): Promise<ApiClient> => {
      const { token } = await harness.api.call('POST /v1/tokens', { body: { name: role, role } });
      return new ApiClient({ url: harness.stack.apiUrl, token, retry: { attempts: 1, maxPauseMs: 1_000 } });
    };
    [analyst, viewer] = [await clientOf('analyst'), await clientOf('viewer')];
  }, 60_000);
  afterAll(() => harness.close());

  const ask = async (client: ApiClient, sql: string): Promise<string> => {
    const { ledger } = await runQuery(client, { sql, timeout: '20s' });
    return `answered by ${ledger.answered}`;
  };
  const refusal = { code: 'table_forbidden', status: 403 };

  it('are asked by whom the policy lets, and the endpoint answers', async () => {
    expect(await ask(harness.api, SECRET)).toBe('answered by 1');
    expect(await ask(analyst, PERSONAL)).toBe('answered by 1');
    expect(await ask(analyst, PLAIN)).toBe('answered by 1');
  }, 60_000);

  it('are refused to others with their names, before there is a question, and the audit has them', async () => {
    const before = await harness.api.all('GET /v1/queries');
    await expect(ask(analyst, SECRET)).rejects.toMatchObject(refusal);
    await expect(ask(analyst, `WITH processes AS (${SECRET}) SELECT * FROM processes`)).rejects.toMatchObject(refusal);
    await expect(ask(viewer, PERSONAL)).rejects.toMatchObject({ status: 403 });
    expect(await harness.api.all('GET /v1/queries')).toHaveLength(before.length);
    await eventually(async () => {
      const records = await harness.api.all('GET /v1/audit', { query: { action: 'query' } });
      const forbidden = records.filter(({ code }) => code === 'table_forbidden');
      return (
        forbidden.length === 2 && forbidden.every(({ details }) => JSON.stringify(details).includes('process_envs'))
      );
    }, 'refusals in the audit');
  }, 60_000);

  it('keep their rows from others, also of a question that an admin asked', async () => {
    const { id } = await runQuery(harness.api, { sql: SECRET, timeout: '20s' });
    await expect(analyst.call('GET /v1/queries/{id}/rows', { params: { id } })).rejects.toMatchObject(refusal);
    const { sql } = await analyst.call('GET /v1/queries/{id}', { params: { id } });
    expect(sql).toBe(SECRET);
  }, 60_000);
});
