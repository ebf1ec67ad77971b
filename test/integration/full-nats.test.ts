import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiProblem, runQuery } from '@muster/api-client';
import type { CommandJson, QueryJson } from '@muster/api-contract';
import { eventually } from '@muster/runtime/testing';
import { muster } from '../kit/cli.js';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { Filler, smallStoreSettings, startSmallBrokers } from '../kit/small-store.js';
import { Fleet } from '../simulator/index.js';

const AGENTS = 40;
const ABSENT = 5;
const STORE_BYTES = 64 * 1024 * 1024;
const ALARM = 0.8;
/** Services ask every 15 s how full their brokers are; twice that on a busy machine. */
const METRIC_WITHIN_MS = 45_000;
const SQL = 'SELECT hostname FROM system_info';
/** Of `MUSTER_RESERVE`. */
const RESERVE_BYTES = 4 * 1024 * 1024;
const REFUSALS = 200;
const JSON_BODY = { 'content-type': 'application/json' };
/** A problem is an answer here. */
const ONCE = { retry: { attempts: 1 } };

describe('a NATS at its max_file_store, while everything runs', () => {
  let harness: Harness;
  let fleet: Fleet;
  let filler: Filler;

  beforeAll(async () => {
    harness = await startHarness({ env: smallStoreSettings(STORE_BYTES) }, () => startSmallBrokers(STORE_BYTES));
    // The slow half keeps a query waiting.
    const behaviour = { behaviour: { slow: 0.5 }, slowMs: 600_000 };
    fleet = new Fleet({ ...fleetOptions(harness), agents: AGENTS, ...behaviour });
    await fleet.start();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS);
    filler = await Filler.open(harness.brokers.nats.url);
  });
  afterAll(async () => {
    await filler?.close();
    await fleet?.stop();
    await harness?.close();
  });

  /** What every service serves as the share of NATS' storage. */
  async function shares(): Promise<number[]> {
    const { gateways, queries, commands, apis } = harness.stack;
    const texts = [...gateways, ...queries, ...commands, ...apis].map(async ({ healthUrl }) =>
      (await fetch(`${healthUrl}/metrics`)).text(),
    );
    return (await Promise.all(texts)).map((text) =>
      Number(/^muster_\w+_broker_storage_fill_ratio (\S+)$/m.exec(text)?.[1]),
    );
  }
  const command = (id: string): Promise<CommandJson> => harness.api.call('GET /v1/commands/{id}', { params: { id } });
  const query = (id: string): Promise<QueryJson> => harness.api.call('GET /v1/queries/{id}', { params: { id } });
  const rows = (id: string) => harness.api.all('GET /v1/queries/{id}/rows', { params: { id }, pageSize: 1_000 });
  const startQuery = () => harness.api.call('POST /v1/queries', { body: { sql: SQL, timeout: '10m' }, ...ONCE });
  const submit = () =>
    harness.api.call('POST /v1/commands', {
      body: { action: 'dns.flush', params: {}, target: { selector: '' } },
      ...ONCE,
    });
  /**
   * Why it is refused. Records that replace larger ones make a little room at any moment, and one may be taken with it:
   * it is filled again.
   */
  const refusal = async (run: () => Promise<unknown>): Promise<unknown> => {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await filler.fill();
      const refused = await run().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (refused !== undefined) return refused;
    }
    return undefined;
  };
  /**
   * Requests that are refused, each with a record of what was asked and most with a key. Returns how many bytes their
   * audit records would have.
   */
  const refuseMuch = async (): Promise<number> => {
    const text = `${SQL} -- ${'x'.repeat(50_000)}`;
    const ask = async (sql: string): Promise<unknown> => {
      const input = { body: { sql, timeout: '10m' }, idempotencyKey: randomUUID(), ...ONCE };
      return harness.api.call('POST /v1/queries', input).catch((error: unknown) => error);
    };
    const url = `${harness.stack.gateways[0]!.url.replace(/^ws/, 'http')}/v1/enroll`;
    const guess = () => fetch(url, { method: 'POST', headers: JSON_BODY, body: JSON.stringify(wrongClaim()) });
    let bytes = 0;
    for (let refused = 0; refused < REFUSALS; refused += 10) {
      const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => ask(i % 2 === 0 ? text : `no ${text}`)));
      for (const answer of answers) {
        expect(['storage_full', 'sql_error']).toContain((answer as ApiProblem).problem?.code);
        bytes += text.length;
      }
      await (await guess()).arrayBuffer();
    }
    return bytes;
  };
  const wrongClaim = () => {
    const word = randomBytes(32).toString('base64url');
    const { facts } = fleet.agents[0]!.machine;
    return { org: harness.stack.org, publicKey: word, timestampMs: Date.now(), proof: word, facts };
  };
  const lostRecords = async (): Promise<number> => {
    const texts = harness.stack.apis.map(async ({ healthUrl }) => (await fetch(`${healthUrl}/metrics`)).text());
    const counts = (await Promise.all(texts)).map((text) =>
      Number(/^muster_api_audit_lost_total (\S+)$/m.exec(text)?.[1]),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  };
  /** Whether the chain is whole and has everything that is in the journal. */
  async function isAudited(): Promise<boolean> {
    const { code, stdout } = await muster(harness, ['audit', 'verify', '-o', 'json']);
    const { faults, journal } = JSON.parse(stdout) as { faults: []; journal: { pending: number; faults: [] } };
    expect([code, faults, journal.faults]).toEqual([0, [], []]);
    return journal.pending === 0;
  }
  const isEnded = async (id: string): Promise<boolean> => (await command(id)).status === 'ended';

  it('refuses what is new and says why, ends what it accepted, and takes everything again when there is room', async () => {
    const quick = AGENTS - fleet.agents.filter(({ behaviour }) => behaviour === 'slow').length;
    const kept = await runQuery(harness.api, { sql: SQL, timeout: '8s' });
    expect(kept.ledger).toMatchObject({ targeted: AGENTS, answered: quick });
    const keptRows = await rows(kept.id);
    const absent = fleet.agents.slice(0, ABSENT);
    for (const agent of absent) agent.kill();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS - ABSENT);
    const done = (id: string, succeeded: number) =>
      eventually(async () => (await command(id)).ledger?.succeeded === succeeded, 'outcomes are known');
    const [toEnd, toCancel] = [await submit(), await submit()];
    for (const { id } of [toEnd, toCancel]) await done(id, AGENTS - ABSENT);
    const running = await startQuery();

    // The alarm comes before anything is refused.
    await filler.fill((ALARM + 0.05) * STORE_BYTES);
    await eventually(
      async () => (await shares()).every((share) => share > ALARM),
      'the metrics rise',
      METRIC_WITHIN_MS,
    );
    expect(Math.max(...(await shares()))).toBeLessThan(1);
    const before = await submit();
    await done(before.id, AGENTS - ABSENT);

    for (const refused of [startQuery, submit]) {
      const problem = await refusal(refused);
      expect(problem).toBeInstanceOf(ApiProblem);
      expect(problem).toMatchObject({
        ...{ status: 503, retryAfterMs: 30_000 },
        problem: { code: 'storage_full', carriedOut: false, detail: expect.stringMatching(/storage .* is full/) },
      });
    }

    // However much is refused, by callers that are known and by strangers: none of it uses the reserve, which what follows needs.
    const records = await refuseMuch();
    expect(records).toBeGreaterThan(2 * RESERVE_BYTES);
    expect(await lostRecords()).toBeGreaterThan(REFUSALS);

    // Reading goes on.
    expect(await rows(kept.id)).toEqual(keptRows);
    expect((await query(running.id)).state).toBe('running');
    expect((await harness.api.all('GET /v1/agents')).length).toBe(AGENTS);
    // So does cancelling, of a query and of a command.
    await harness.api.call('DELETE /v1/queries/{id}', { params: { id: running.id } });
    await eventually(async () => (await query(running.id)).state === 'cancelled', 'the query ended');
    await harness.api.call('DELETE /v1/commands/{id}', { params: { id: toCancel.id } });
    await eventually(() => isEnded(toCancel.id), 'the cancelled command ended');
    expect((await command(toCancel.id)).ledger).toMatchObject({ succeeded: AGENTS - ABSENT, cancelled: ABSENT });
    // And what was accepted is done by those who come back.
    for (const agent of absent) agent.revive();
    for (const { id } of [toEnd, before]) {
      await eventually(() => isEnded(id), 'the accepted commands ended');
      expect((await command(id)).ledger).toMatchObject({ targeted: AGENTS, succeeded: AGENTS });
    }
    expect(await refusal(submit)).toMatchObject({ problem: { code: 'storage_full' } });
    expect(Math.max(...(await shares()))).toBeGreaterThan(ALARM);

    const sinceMs = performance.now();
    await filler.empty();
    let after: CommandJson | undefined;
    await eventually(async () => (after = await submit().catch(() => undefined)) !== undefined, 'room');
    process.stderr.write(`commands are taken ${Math.round(performance.now() - sinceMs)} ms after there is room\n`);
    await eventually(() => isEnded(after!.id), 'a new command ended');
    // Each service sees for itself that there is room.
    await eventually(async () => {
      const { ledger } = await runQuery(harness.api, { sql: SQL, timeout: '8s' });
      expect(ledger).toMatchObject({ targeted: AGENTS, answered: quick });
      return true;
    }, 'queries are taken, and answered by all');
    await eventually(async () => (await shares()).every((share) => share < ALARM), 'the alarm ends', METRIC_WITHIN_MS);
    // Every end is in the audit, once, and the chain is whole.
    await eventually(isAudited, 'the audit has everything', 90_000);
    const ids = (await harness.api.all('GET /v1/commands')).map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining([toEnd.id, toCancel.id, before.id, after!.id]));
  }, 400_000);
});
