import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { QueryRequest, StartQuery } from '@muster/messages';
import { newQueryId, type Ledger } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { encodeNumberSet, readAnswerBlock, type QueryRecord, type ResultEvent } from '@muster/records';
import { ServiceHarness, type RunningService } from './testing/service-harness.js';

// Each test starts processes of its own, and the machine may be busy.

let harness: ServiceHarness;
beforeAll(async () => {
  harness = await ServiceHarness.open();
});
afterEach(async () => {
  await harness.stopServices();
  await harness.dropGateways();
});
afterAll(() => harness.close());

const ofKind = <T extends ResultEvent['t']>(events: ResultEvent[], kind: T) =>
  events.filter((event): event is ResultEvent & { t: T } => event.t === kind);
const requestFor = (
  query: QueryRecord,
  request: { t: 'cancel' } | { t: 'adopt' } | { t: 'reduce'; sql: string },
): QueryRequest =>
  ({ ...request, org: query.org, id: query.id, ...(request.t === 'cancel' ? { by: 'op' } : {}) }) as QueryRequest;
/** The gateway gets the start before the API gets the reply, or a moment later; then it can answer. */
async function heard(gateway: { starts: readonly unknown[] }): Promise<void> {
  await eventually(() => gateway.starts.length > 0, 'the start at the gateway');
}

/** Waits for a progress event whose ledger fulfils the condition. */
async function progress(query: QueryRecord, holds: (ledger: Ledger) => boolean): Promise<void> {
  await eventually(
    async () => ofKind(await harness.storedEvents(query), 'progress').some((event) => holds(event.ledger)),
    'the progress',
  );
}

describe('requests that are refused before the query is sent', () => {
  const cases: [what: string, change: Partial<StartQuery>, code: string, details: object][] = [
    [
      'wrong sql',
      { sql: 'SELECT name FROM\n  deb_packages WHERE nope = 1' },
      'sql_error',
      { line: 2, column: 22, offset: 38 },
    ],
    ['no select', { sql: 'DELETE FROM deb_packages' }, 'sql_not_select', {}],
    ['two statements', { sql: 'SELECT 1; SELECT 2' }, 'sql_many_statements', { offset: 10 }],
    ['an unknown table', { sql: 'SELECT * FROM secrets' }, 'sql_error', { offset: 14 }],
    ['a table with secrets', { sql: 'SELECT 1 FROM process_envs' }, 'table_forbidden', { tables: ['process_envs'] }],
    ['file without a path', { sql: 'SELECT * FROM file' }, 'sql_missing_constraint', {}],
    ['too much sql', { sql: `SELECT '${'x'.repeat(70_000)}'` }, 'sql_too_long', {}],
    ['a column with a name that is too long', { sql: `SELECT 1 AS "${'a'.repeat(1_025)}"` }, 'sql_too_wide', {}],
    [
      'a reduce with such a name',
      { reduce: `SELECT 1 AS "${'a'.repeat(1_025)}" FROM rows` },
      'sql_too_wide',
      { field: 'reduce' },
    ],
    ['a wrong reduce', { reduce: 'SELECT nope FROM rows' }, 'sql_error', { field: 'reduce' }],
    ['a bad selector', { selector: 'os=linux,,' }, 'bad_selector', { field: 'selector', offset: 9 }],
    ['a bad bound', { bound: 'env in (' }, 'bad_selector', { field: 'bound' }],
    ['a timeout of 0', { timeoutMs: 0 }, 'bad_timeout', { minMs: 1_000, maxMs: 600_000 }],
    ['a timeout of a year', { timeoutMs: 31_536_000_000 }, 'bad_timeout', {}],
    ['an unknown mode', { mode: 'other' as 'raw' }, 'bad_request', {}],
  ];

  test('each fault has its code and place, from start and from compile', async () => {
    await harness.startService();
    for (const [what, change, code, details] of cases) {
      const request = harness.request(change);
      for (const one of [request, { ...request, t: 'compile' as const }]) {
        const reply = await harness.send(one);
        expect([what, reply]).toEqual([what, expect.objectContaining({ t: 'problem', code })]);
        expect(reply).toMatchObject({ details });
      }
    }
    const ambiguous = harness.request({ sql: 'SELECT name, version AS v FROM deb_packages, os_version' });
    expect(await harness.send({ ...ambiguous, t: 'compile' })).toMatchObject({
      ...{ t: 'problem', code: 'sql_error' },
    });
    const fine = harness.request({ sql: 'SELECT p.name, p.version AS v FROM deb_packages p, os_version' });
    expect(await harness.send({ ...fine, t: 'compile' })).toEqual({
      ...{ t: 'compiled', columns: ['name', 'v'], tables: ['deb_packages', 'os_version'] },
    });
  });

  test('more queries than an operator or an org may run', async () => {
    await harness.startService({ MUSTER_QUERY_PER_OPERATOR: '2', MUSTER_QUERY_PER_ORG: '3' });
    await harness.startService({ MUSTER_QUERY_PER_OPERATOR: '2', MUSTER_QUERY_PER_ORG: '3' });
    await harness.gateway([1]);
    const refused = (scope: string) => ({ t: 'problem', code: 'too_many_queries', details: { scope } });
    const first = await harness.start();
    await harness.start();
    // Either service, once it has seen what the other one started.
    let reply = await harness.send(harness.request());
    if (reply.t === 'started') reply = await harness.send(harness.request());
    expect(reply).toMatchObject(refused('operator'));
    await harness.start({ operator: 'other' });
    expect(await harness.send(harness.request({ operator: 'third' }))).toMatchObject(refused('org'));
    await harness.send(requestFor(first, { t: 'cancel' }));
    await harness.ended(first);
  });
});

describe('one query', () => {
  test('is sent, answered, merged, reduced and stored', async () => {
    await harness.startService();
    const gateway = await harness.gateway([1, 2, 3, 4, 5, 6]);
    const query = await harness.start({
      reduce: 'SELECT sum(endpoints) AS n FROM rows',
      selector: 'os=linux',
      bound: 'env=prod',
    });
    await heard(gateway);
    expect(gateway.starts[0]).toMatchObject({ selector: 'os=linux,env=prod', columns: ['name'], mode: 'group' });
    gateway.answer(1, 2, 3, 4, 5, 6);
    const events = await harness.eventsUntilEnd(query);
    expect(events[0]).toMatchObject({ t: 'started', record: { id: query.id } });
    expect(ofKind(events, 'reduced')).toEqual([{ t: 'reduced', columns: ['n'], rows: [[6]], truncated: false }]);
    expect(events.at(-1)).toMatchObject({
      record: { state: 'complete', rows: 5, ledger: { targeted: 6, answered: 6 } },
    });
    expect(
      await harness.send(
        requestFor(query, { t: 'reduce', sql: 'SELECT name, endpoints FROM rows ORDER BY 1 DESC LIMIT 1' }),
      ),
    ).toEqual({
      ...{ t: 'reduced', columns: ['name', 'endpoints'], rows: [['package-4', 1]], truncated: false },
    });
    expect(await harness.send(requestFor(query, { t: 'reduce', sql: 'SELECT nope FROM rows' }))).toMatchObject({
      code: 'sql_error',
    });
    expect(await harness.send(requestFor(query, { t: 'cancel' }))).toMatchObject({ t: 'problem', code: 'conflict' });
  });

  test.each(['raw', 'group'] as const)('a retry is reduced with the rows of what it asks again (%s)', async (mode) => {
    await harness.startService();
    const gateway = await harness.gateway([1, 2, 6]);
    const reduce = mode === 'raw' ? 'SELECT count(*) AS n FROM rows' : 'SELECT sum(endpoints) AS n FROM rows';
    const first = await harness.start({ mode, reduce });
    await heard(gateway);
    gateway.answer(1, 2);
    gateway.fail([6, 'timed_out', 'timeout', 'no answer']);
    expect(ofKind(await harness.eventsUntilEnd(first), 'reduced')).toMatchObject([{ rows: [[2]] }]);
    // It moves before it is asked again.
    await harness.dropGateways();
    const other = await harness.gateway([6]);
    const second = await harness.start({ mode, reduce, retryOf: first.id, among: encodeNumberSet([6]) });
    await heard(other);
    other.answer(6);
    // Its own reduce step, and one that is asked for.
    expect(ofKind(await harness.eventsUntilEnd(second), 'reduced')).toMatchObject([{ rows: [[3]] }]);
    const own = { t: 'reduce', sql: reduce } as const;
    expect(await harness.send(requestFor(second, own))).toMatchObject({ rows: [[1]] });
    const merged = await harness.send({ ...requestFor(second, own), earlier: [first.id] } as QueryRequest);
    expect(merged).toMatchObject({ rows: [[3]], queries: 2 });
    if (mode === 'raw') return;
    // Equal rows of both are one: those of 1 and 6 are.
    const sizes = { t: 'reduce', sql: 'SELECT endpoints FROM rows ORDER BY endpoints' } as const;
    const groups = { ...requestFor(second, sizes), earlier: [first.id] } as QueryRequest;
    expect(await harness.send(groups)).toMatchObject({ rows: [[1], [2]] });
  });

  test('a query that says that it asks itself again ends all the same, and says why it is not reduced', async () => {
    await harness.startService();
    const id = newQueryId(Date.now());
    const query = await harness.start({ id, retryOf: id, reduce: 'SELECT count(*) AS n FROM rows' });
    expect(ofKind(await harness.eventsUntilEnd(query), 'reduced')).toMatchObject([
      { error: expect.stringContaining('20 at most') },
    ]);
    const request = {
      ...requestFor(query, { t: 'reduce', sql: 'SELECT 1' }),
      earlier: Array.from({ length: 20 }, () => id),
    };
    expect(await harness.send(request as QueryRequest)).toMatchObject({ code: 'conflict' });
  });

  test('can be reduced while it runs, over raw rows with their endpoint', async () => {
    await harness.startService();
    const gateway = await harness.gateway([1, 2, 3]);
    const query = await harness.start({ mode: 'raw' });
    await heard(gateway);
    gateway.answer(1, 2);
    const sql = 'SELECT agent_id, name FROM rows ORDER BY name';
    let reply = await harness.send(requestFor(query, { t: 'reduce', sql }));
    while (reply.t === 'reduced' && reply.rows.length === 0)
      reply = await harness.send(requestFor(query, { t: 'reduce', sql }));
    // These endpoints never enrolled, so only their number is known.
    expect(reply).toMatchObject({
      rows: [
        ['#1', 'package-1'],
        ['#2', 'package-2'],
      ],
    });
    gateway.empty(3);
    expect(await harness.ended(query)).toMatchObject({ ledger: { answered: 2, empty: 1 } });
  });

  test('a reduce statement that never ends is stopped, and the service keeps running', async () => {
    await harness.startService({ MUSTER_QUERY_REDUCE_TIMEOUT: '3s' });
    const query = await harness.start();
    await harness.ended(query);
    const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';
    expect(await harness.send(requestFor(query, { t: 'reduce', sql: endless }))).toMatchObject({
      code: 'reduce_failed',
    });
    expect(await harness.send(requestFor(query, { t: 'reduce', sql: 'SELECT 1' }))).toMatchObject({ rows: [[1]] });
  });

  test('is cancelled through any service', async () => {
    await Promise.all([harness.startService(), harness.startService()]);
    const gateway = await harness.gateway([1, 2]);
    for (let i = 0; i < 6; i += 1) {
      const query = await harness.start();
      expect(await harness.send(requestFor(query, { t: 'cancel' }))).toEqual({ t: 'cancelled' });
      expect(await harness.ended(query)).toMatchObject({ state: 'cancelled', ledger: { waiting: 0 } });
    }
    await eventually(() => gateway.stops.length >= 6, 'every stop at the gateway');
    const unknown = { ...(await harness.start()), id: 'q00000000000000000000000000' as QueryRecord['id'] };
    expect(await harness.send(requestFor(unknown, { t: 'cancel' }))).toMatchObject({ t: 'problem', code: 'not_found' });
  });
});

describe('a coordinator that is gone', () => {
  /** The service that coordinates the query, and the others. */
  const coordinatorOf = (query: QueryRecord, services: RunningService[]): [RunningService, RunningService[]] => {
    const coordinator = services.find((service) => service.coordinatorId === query.owner);
    if (coordinator === undefined) throw new Error('no service coordinates the query');
    return [coordinator, services.filter((service) => service !== coordinator)];
  };

  test('has its queries ended by exactly one survivor, with the results so far', async () => {
    const services = await Promise.all([harness.startService(), harness.startService(), harness.startService()]);
    const gateway = await harness.gateway([1, 2, 3]);
    const query = await harness.start({ timeoutMs: 60_000 });
    await heard(gateway);
    gateway.answer(1, 2);
    const [coordinator] = coordinatorOf(query, services);
    await progress(query, (ledger) => ledger.answered === 2);
    await coordinator.process.kill();
    expect(await harness.ended(query)).toMatchObject({
      ...{ state: 'interrupted', rows: 2, ledger: { targeted: 3, answered: 2, timed_out: 1, waiting: 0 } },
    });
    await eventually(async () => (await harness.storedRecord(query)).state !== 'running', 'the end in the record');
    expect(ofKind(await harness.storedEvents(query), 'ended')).toHaveLength(1);
    expect(gateway.stops.at(-1)).toMatchObject({ id: query.id, reason: 'interrupted' });
  });

  test('has rows, failures and ledger of one moment, killed while answers come', async () => {
    const nums = Array.from({ length: 600 }, (_, i) => i + 1);
    for (let round = 0; round < 3; round += 1) {
      const services = await Promise.all([harness.startService(), harness.startService()]);
      const gateway = await harness.gateway(nums);
      const query = await harness.start({ mode: 'raw', timeoutMs: 60_000 });
      await heard(gateway);
      const [coordinator] = coordinatorOf(query, services);
      let killed: Promise<unknown> | undefined;
      for (const num of nums) {
        gateway.answer(num);
        if (num % 5 === 0) await harness.broker.bus.flush();
        // Killed before it has stored anything, it leaves nothing to compare.
        if (num === 100) await progress(query, ({ answered }) => answered > 0);
        if (num === 200 + 40 * round) killed = coordinator.process.kill();
      }
      await killed;
      const { ledger, state } = await harness.ended(query);
      const events = await harness.storedEvents(query);
      const answered = new Set(
        ofKind(events, 'rows').flatMap(({ answers }) => [...readAnswerBlock(answers)].map(({ num }) => num)),
      );
      const failures = ofKind(events, 'failures').flatMap((event) => event.failures);
      expect([state, ledger.targeted, ledger.answered]).toEqual(['interrupted', nums.length, answered.size]);
      expect(failures.map(([num]) => num)).toEqual(nums.filter((num) => !answered.has(num)));
      expect(new Set(failures.map(([, outcome, code]) => `${outcome}/${code}`))).toEqual(
        new Set(['timed_out/interrupted']),
      );
      await harness.stopServices();
      await harness.dropGateways();
    }
  });

  test('that was only frozen is fenced when it resumes', async () => {
    const services = await Promise.all([harness.startService(), harness.startService()]);
    const gateway = await harness.gateway([1, 2]);
    const query = await harness.start({ timeoutMs: 60_000 });
    await heard(gateway);
    const [coordinator] = coordinatorOf(query, services);
    coordinator.process.freeze();
    expect(await harness.ended(query)).toMatchObject({ state: 'interrupted' });
    await eventually(() => gateway.stops.length > 0, 'the stop at the gateway');
    const starts = gateway.announced(query.id);
    coordinator.process.resume();
    gateway.answer(1, 2);
    await coordinator.process.printed(/query was abandoned/);
    // Two more heartbeats: none of them says that the query runs, and no other end is told.
    for (let i = 0; i < 2; i += 1) await gateway.heartbeatOf(query.owner);
    expect(gateway.announced(query.id)).toBe(starts);
    expect(gateway.stops.map(({ reason }) => reason)).toEqual(['interrupted']);
    const events = await harness.storedEvents(query);
    expect(events.at(-1)?.t).toBe('ended');
    expect(ofKind(events, 'ended')).toHaveLength(1);
    expect(await harness.storedRecord(query)).toMatchObject({ state: 'interrupted' });
    // It works again.
    const next = await harness.start();
    await harness.send(requestFor(next, { t: 'cancel' }));
    expect(await harness.ended(next)).toMatchObject({ state: 'cancelled' });
  });

  test('and was the only one: the next service that starts ends its queries', async () => {
    const only = await harness.startService();
    await harness.gateway([1]);
    const query = await harness.start({ timeoutMs: 60_000 });
    await progress(query, (ledger) => ledger.targeted === 1);
    await only.process.kill();
    await harness.startService();
    expect(await harness.ended(query)).toMatchObject({ state: 'interrupted', ledger: { timed_out: 1 } });
  });

  test('is noticed at once when its query is to be adopted', async () => {
    const services = await Promise.all([harness.startService(), harness.startService()]);
    await harness.gateway([1]);
    const query = await harness.start({ timeoutMs: 60_000 });
    expect(await harness.send(requestFor(query, { t: 'adopt' }))).toMatchObject({ t: 'problem', code: 'conflict' });
    const [coordinator, [survivor]] = coordinatorOf(query, services);
    await coordinator.process.kill();
    const startedMs = Date.now();
    await eventually(async () => (await harness.send(requestFor(query, { t: 'adopt' }))).t === 'adopted', 'adopted');
    expect(await harness.ended(query)).toMatchObject({ state: 'interrupted' });
    expect(Date.now() - startedMs).toBeLessThan(4_000);
    expect(survivor?.process.running).toBe(true);
  });

  test('after an orderly stop has ended its queries itself', async () => {
    const service = await harness.startService();
    const gateway = await harness.gateway([1, 2]);
    const query = await harness.start({ timeoutMs: 60_000 });
    await heard(gateway);
    gateway.answer(1);
    expect(await service.process.stop()).toBe(0);
    expect(await harness.storedRecord(query)).toMatchObject({
      state: 'interrupted',
      ledger: { answered: 1, timed_out: 1 },
    });
  });
});

test('health and metrics show what runs, and no id, host or statement is in a label', async () => {
  const service = await harness.startService();
  await harness.ended(await harness.start());
  const ready = await fetch(`${service.process.healthUrl}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([200, expect.objectContaining({ ready: true })]);
  const metrics = await (await fetch(`${service.process.healthUrl}/metrics`)).text();
  expect(metrics).toContain('muster_query_ended_total{state="complete",mode="group"} 1');
  expect(metrics).not.toMatch(/deb_packages|gw-|q-[a-z2-7]{10}/);
});
