import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import { connectNats, type Broker } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type GatewayUpdate, type QueryStart } from '@muster/messages';
import { DEFAULT_BUDGET, LIMITS, newCoordinatorId, newQueryId, type OrgId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { startHarness, type Harness } from '../kit/harness.js';

const AGENTS = ['uws', 'ws'].flatMap((transport) => ['live', 'poll'].map((mode) => ({ transport, mode })));
const { resultColumns: COLUMNS, columnNameBytes: NAME } = LIMITS;

/** Real agents on Live and on Poll, at a gateway of each transport: no question ends a session. */
describe('a question over the bounds of the wire', () => {
  let harness: Harness;
  let broker: Broker;
  let sessions: number[];
  beforeAll(async () => {
    harness = await startHarness({ gateways: 0 });
    const policy = join(harness.stack.folder, 'modes.json');
    const rules = [
      { selector: 'channel=poll', mode: 'poll', interval: '1s' },
      { selector: 'channel=live', mode: 'live' },
    ];
    await writeFile(policy, JSON.stringify({ rules }));
    for (const { transport, mode } of AGENTS) {
      const env = { MUSTER_GATEWAY_TRANSPORT: transport, MUSTER_GATEWAY_MODE_POLICY_FILE: policy };
      const { url } = await harness.stack.addGateway(env);
      await harness.stack.addAgent({ gatewayUrl: url, env: { MUSTER_LABELS: `channel=${mode},at=${transport}` } });
    }
    // The agents whose assigned channel is Poll have moved there.
    const polling = async () => (await harness.api.all('GET /v1/agents', { query: { selector: 'mode=poll' } })).length;
    await eventually(async () => (await polling()) === AGENTS.length / 2, 'polling');
    sessions = await sessionsSoFar();
    const servers = [harness.brokers.nats.url];
    broker = await connectNats({ servers, name: 'question bounds', logger: silentLogger });
  });
  afterAll(async () => {
    await broker.stop();
    await harness.close();
  });

  async function everybodyAnswers(): Promise<void> {
    const ended = await runQuery(harness.api, { sql: 'SELECT 42 AS n', timeout: '20s' });
    expect(ended.ledger).toMatchObject({ targeted: AGENTS.length, answered: AGENTS.length });
  }

  /** How many sessions each agent has had. */
  async function sessionsSoFar(): Promise<number[]> {
    const logs = harness.stack.agents.map(({ name }) =>
      readFile(join(harness.stack.folder, 'logs', `${name}.log`), 'utf8'),
    );
    return (await Promise.all(logs)).map((log) => log.split('"msg":"session ready"').length - 1);
  }

  async function noSessionEnded(): Promise<void> {
    expect(await sessionsSoFar()).toEqual(sessions);
  }

  it.each([
    ['a name', `SELECT 1 AS "${'a'.repeat(NAME + 1)}"`, /name of column 1 has 1025 bytes, 1024 are allowed/],
    ['a name in characters of several bytes', `SELECT 1 AS "${'ä'.repeat(NAME / 2 + 1)}"`, /1026 bytes/],
    ['an expression without a name', `SELECT ${Array(400).fill('1').join(' + ')}`, /name it with AS/],
    ['all names', `SELECT ${Array(1_000).fill('*').join()} FROM (SELECT 1 AS "${'a'.repeat(NAME)}")`, /1024000 bytes/],
    [
      'columns, which SQLite bounds',
      `SELECT ${Array(COLUMNS + 1)
        .fill('1')
        .join()}`,
      /too many columns/,
    ],
  ])(
    'is refused before anything is sent: %s',
    async (_what, sql, message) => {
      for (const mode of ['raw', 'group']) {
        const response = await harness.api.fetch('/v1/queries', { method: 'POST', body: { sql, mode } });
        const { detail, code } = (await response.json()) as Record<string, string>;
        expect([response.status, detail, code]).toEqual([422, expect.stringMatching(message), expect.any(String)]);
      }
      await everybodyAnswers();
      await noSessionEnded();
    },
    60_000,
  );

  it.each([
    ['a name', `SELECT 1 AS "${'a'.repeat(NAME)}"`],
    ['columns', `SELECT ${Array.from({ length: COLUMNS }, (_, i) => `1 AS column_${i}`).join()}`],
    ['names together', `SELECT ${Array(64).fill('*').join()} FROM (SELECT 1 AS "${'a'.repeat(NAME)}")`],
  ])(
    'is answered at the bound: %s',
    async (_what, sql) => {
      const ended = await runQuery(harness.api, { sql, timeout: '30s' });
      expect(ended.ledger).toMatchObject({ targeted: AGENTS.length, answered: AGENTS.length });
      const reduce = { method: 'POST', body: { sql: 'SELECT count(*) AS n FROM rows' } };
      const reduced = await harness.api.fetch(`/v1/queries/${ended.id}/reduce`, reduce);
      const isTooWide = ended.columns.length > COLUMNS - 2;
      expect([reduced.status, await reduced.json()]).toMatchObject(
        isTooWide ? [422, { code: 'sql_error' }] : [200, { rows: [[AGENTS.length]] }],
      );
    },
    60_000,
  );

  it('that a query service sends all the same is an error of each endpoint, and of no session', async () => {
    const owner = newCoordinatorId();
    const failed = new Set<string>();
    const done = new Promise<void>((resolve) => {
      broker.bus.subscribe(SUBJECTS.coordinatorInbox(owner), ({ data }) => {
        const update = decodeBusMessage<GatewayUpdate>(data, 'partial');
        if (update?.t !== 'partial') return;
        for (const [num, ...why] of update.failures) failed.add(`${num} ${why.slice(0, 2).join()}`);
        if (failed.size === AGENTS.length) resolve();
      });
    });
    const start: QueryStart = {
      ...{ t: 'query_start', id: newQueryId(Date.now()), org: harness.stack.org as OrgId, owner, sql: 'SELECT 1' },
      ...{ columns: ['a'.repeat(NAME + 1)], selector: '', mode: 'group', budget: DEFAULT_BUDGET },
      ...{ nowMs: Date.now(), deadlineMs: Date.now() + 20_000 },
    };
    broker.bus.publish(SUBJECTS.gateways, encodeBusMessage(start));
    await done;
    expect([...failed].map((failure) => failure.split(' ')[1])).toEqual(AGENTS.map(() => 'error,bad_query'));
    await everybodyAnswers();
    await noSessionEnded();
  });
});
