import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeBusMessage, SUBJECTS, type TrafficCounters } from '@muster/messages';
import { encodeCbor, newGatewayId, type GatewayId, type OrgId, type QueryId, type SqlValue } from '@muster/protocol';
import { AnswerBlockWriter, type QueryRecord } from '@muster/records';
import type { QueryStore } from '../queries/query-store.js';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture, ORG, type Asked } from '../testing/api-fixture.js';
import { ledger } from '../testing/fake-query-service.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const nothing = { bytesIn: 0, bytesOut: 0 };

/** One endpoint in each channel for an hour. `heartbeat` bytes went up by Live, forty times as many by Poll. */
function report(change: Partial<TrafficCounters> = {}, heartbeat = 1_000): TrafficCounters {
  const purposes = { session: { bytesIn: 0, bytesOut: 500 }, heartbeat: nothing, query: nothing, command: nothing };
  return {
    t: 'traffic',
    startedAtMs: 1_790_000_000_000,
    nowMs: 1_790_003_600_000,
    live: { sessions: 1, seconds: 3_600, purposes: { ...purposes, heartbeat: { bytesIn: heartbeat, bytesOut: 0 } } },
    poll: { sessions: 1, seconds: 3_600, purposes: { ...purposes, query: { bytesIn: 40 * heartbeat, bytesOut: 0 } } },
    enrol: { bytesIn: 30, bytesOut: 40 },
    sockets: { measured: 'sockets', bytesIn: 90_000, bytesOut: 20_000, missed: 2 },
    ...change,
  };
}

function lease(gatewayId: GatewayId): void {
  const info = { sessions: 0, draining: false, startedAtMs: 0 };
  void api.registry.lease.renew({ gatewayId, ttlMs: 60_000, info });
}

/** A gateway with a lease. It gives this answer, or none. */
function gateway(answer: TrafficCounters | undefined): GatewayId {
  const id = newGatewayId();
  lease(id);
  api.broker.connect().bus.subscribe(SUBJECTS.gateway(id), ({ reply }) => {
    if (answer !== undefined) reply?.(encodeBusMessage(answer));
  });
  return id;
}

describe('bandwidth as gateways count it', () => {
  test('is added up from the side of endpoints: bytes into a gateway are bytes up', async () => {
    const ids = [gateway(report()), gateway(report())].toSorted();
    const { status, body } = await api.get('/v1/bandwidth?ask=false');
    expect(status).toBe(200);
    expect(body.fleet).toEqual({
      gateways: { asked: 2, answered: 2 },
      live: {
        endpoints: 2,
        seconds: 7_200,
        bytesUp: 2_000,
        bytesDown: 1_000,
        bytesPerHour: 1_500,
        purposes: {
          session: { bytesUp: 0, bytesDown: 1_000 },
          heartbeat: { bytesUp: 2_000, bytesDown: 0 },
          query: { bytesUp: 0, bytesDown: 0 },
          command: { bytesUp: 0, bytesDown: 0 },
          // A gateway of the version before does not count it.
          metrics: { bytesUp: 0, bytesDown: 0 },
        },
      },
      poll: expect.objectContaining({ endpoints: 2, bytesUp: 80_000, bytesPerHour: 40_500 }),
      enrol: { bytesUp: 60, bytesDown: 80 },
      sockets: { measured: 'sockets', bytesUp: 180_000, bytesDown: 40_000, missed: 4 },
    });
    expect(body.gateways.map(({ id, state }: { id: string; state: string }) => [id, state])).toEqual(
      ids.map((id) => [id, 'answered']),
    );
    expect(body.gateways[0]).toMatchObject({ startedAt: '2026-09-21T14:13:20.000Z', live: { bytesPerHour: 1_500 } });
  });

  test('names gateways that do not answer or are gone, and leaves them out of the sums', async () => {
    const answered = gateway(report());
    const silent = gateway(undefined);
    const gone = newGatewayId();
    lease(gone);
    const { body } = await api.get('/v1/bandwidth?ask=false');
    expect(body.fleet).toMatchObject({ gateways: { asked: 3, answered: 1 }, live: { endpoints: 1 } });
    expect(
      Object.fromEntries(body.gateways.map(({ id, state }: { id: string; state: string }) => [id, state])),
    ).toEqual({
      [answered]: 'answered',
      [silent]: 'no_answer',
      [gone]: 'gone',
    });
  });

  test('says for how many gateways sockets were measured, and null without sessions', async () => {
    const idle = { sessions: 0, seconds: 0, purposes: report().live.purposes };
    const unseen = { measured: 'frames', bytesIn: 0, bytesOut: 0, missed: 0 } as const;
    gateway(report({ poll: idle, sockets: unseen }));
    expect((await api.get('/v1/bandwidth?ask=false')).body.fleet).toMatchObject({
      sockets: { measured: 'frames', bytesUp: 0 },
      poll: { bytesPerHour: null },
    });
    gateway(report());
    expect((await api.get('/v1/bandwidth?ask=false')).body.fleet.sockets).toMatchObject({
      measured: 'partly',
      bytesUp: 90_000,
    });
  });

  test('says that it is not known whether all were asked when the registry has just lost its data', async () => {
    const [first] = [gateway(report()), gateway(report())];
    expect((await api.get('/v1/bandwidth?ask=false')).body.fleet.gateways).toEqual({ asked: 2, answered: 2 });
    api.registry.store.empty();
    // The other one has not renewed its lease yet.
    lease(first);
    const isTold = async () => (await api.get('/v1/bandwidth?ask=false')).body.fleet.gateways.inDoubt === true;
    await eventually(isTold, 'it is in doubt', 5_000);
    const { gateways } = (await api.get('/v1/bandwidth?ask=false')).body.fleet;
    expect(gateways).toEqual({ asked: 1, answered: 1, inDoubt: true });
  });

  test('is unavailable while the registry is unreachable', async () => {
    api.registry.store.available = false;
    const { status, body } = await api.get('/v1/bandwidth?ask=false');
    expect([status, body.code]).toEqual([503, 'registry_unavailable']);
  });

  test('is for admins of the platform’s org whom no selector bounds, and is not audited for them', async () => {
    expect((await api.get('/v1/bandwidth?ask=false')).status).toBe(200);
    expect((await api.audit()).filter(({ action }) => action.startsWith('bandwidth'))).toEqual([]);
    const others = [
      { role: 'responder' },
      { role: 'admin', selector: 'site=one' },
      { role: 'admin', org: 'tenant' as OrgId },
    ] as const;
    for (const other of others) {
      const { token } = await api.token(other);
      const { status, body } = await api.get('/v1/bandwidth?ask=false', { token });
      expect([status, body.code, body.platform, body.fleet]).toEqual([403, 'forbidden', true, undefined]);
    }
  });
});

type Row = [channel: string, purpose: string, bytesIn: number | bigint, bytesOut: number | bigint, seconds: number];

/** Requests `path`, emits the given results from the query service, and returns the answer. */
async function asked(path: string, say: (record: QueryRecord) => Promise<unknown>, token?: string): Promise<Asked> {
  api.service.columns = ['channel', 'purpose', 'bytes_in', 'bytes_out', 'seconds', 'connections', 'since'];
  const answer = api.get(path, token === undefined ? {} : { token });
  let id: QueryId | undefined;
  await eventually(async () => (id = (await api.get('/v1/queries')).body.items[0]?.id) !== undefined);
  const record = await (api.api.components['queries'] as unknown as QueryStore).read(ORG, id as QueryId);
  await say(record as QueryRecord);
  return answer;
}

function item(record: QueryRecord, ...answers: readonly (readonly [num: number, rows: readonly Row[]])[]) {
  const block = new AnswerBlockWriter();
  for (const [num, rows] of answers) {
    const encoded = rows.map((row): SqlValue[] => [...row, 3, 1_790_000_000_000]);
    block.add(num, Buffer.concat(encoded.map((row) => encodeCbor(row))));
  }
  return api.service.emit(record, { t: 'rows', answers: block.bytes() });
}

const liveRows = (bytes: number, seconds = 3_600): Row[] => [
  ['live', 'session', 0, bytes, seconds],
  ['live', 'transport', bytes, 0, seconds],
];

describe('bandwidth as endpoints count it', () => {
  test('is read by a query, and answered with its ledger, the largest endpoints first', async () => {
    const small = await api.agent({ facts: { host: 'small' } });
    const large = await api.agent({ facts: { host: 'large' } });
    const { status, body } = await asked('/v1/bandwidth/endpoints?selector=os%3Dlinux&timeout=5s', async (record) => {
      await item(
        record,
        [small.num, liveRows(100)],
        [large.num, [...liveRows(200), ['poll', 'query', 20n ** 4n, 80_000, 7_200], ['enrol', 'transport', 5, 6, 0]]],
      );
      await api.service.end(record, { ledger: ledger({ answered: 2 }), rows: 6 });
    });
    expect(status).toBe(200);
    expect(api.service.asked[0]).toMatchObject({ t: 'start', selector: 'os=linux', timeoutMs: 5_000, mode: 'raw' });
    expect(body.query).toMatchObject({ state: 'complete', ledger: { targeted: 2, answered: 2 } });
    expect(body.endpoints.map(({ host, bytes }: { host: string; bytes: number }) => [host, bytes])).toEqual([
      ['large', 240_411],
      ['small', 200],
    ]);
    expect(body.endpoints[0]).toMatchObject({
      agentId: large.agentId,
      since: '2026-09-21T14:13:20.000Z',
      live: { seconds: 3_600, bytesUp: 200, bytesDown: 200, bytesPerHour: 400, connections: 3 },
      poll: { seconds: 7_200, bytesUp: 80_000, bytesDown: 160_000, bytesPerHour: 120_000 },
      enrol: { bytesUp: 6, bytesDown: 5, bytesPerHour: null },
      pollToLive: 300,
    });
    expect(body.endpoints[1]).toMatchObject({ pollToLive: null });
    expect(body.endpoints[1].poll).toBeUndefined();
    expect(body.total).toEqual({
      endpoints: 2,
      live: {
        endpoints: 2,
        seconds: 7_200,
        bytesUp: 300,
        bytesDown: 300,
        bytesPerHour: 300,
        purposes: { session: { bytesUp: 300, bytesDown: 0 }, transport: { bytesUp: 0, bytesDown: 300 } },
      },
      poll: expect.objectContaining({ endpoints: 1, bytesPerHour: 120_000 }),
      enrol: { bytesUp: 6, bytesDown: 5 },
      pollToLive: 400,
    });
    expect(body.missing).toEqual([]);
  });

  test('is part of the fleet’s bandwidth, and its audit record names the query', async () => {
    const { num } = await api.agent();
    gateway(report());
    const { status, body } = await asked('/v1/bandwidth?timeout=5s', async (record) => {
      await item(record, [num, liveRows(100)]);
      await api.service.end(record, { ledger: ledger({ answered: 1 }) });
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      endpoints: { total: { endpoints: 1, live: { bytesUp: 100, bytesDown: 100 } }, query: { timeoutMs: 5_000 } },
      fleet: { gateways: { answered: 1 }, sockets: { bytesUp: 90_000 } },
    });
    expect(body.fleet).not.toHaveProperty('pollToLive');
    const kept = (await api.audit()).filter(({ action }) => action === 'bandwidth.show');
    expect(kept).toMatchObject([{ subject: body.endpoints.query.id, outcome: 'allowed' }]);
  });

  test('needs the right to run queries', async () => {
    const { token } = await api.token({ role: 'viewer' });
    for (const path of ['/v1/bandwidth', '/v1/bandwidth/endpoints']) {
      expect([path, (await api.get(path, { token })).status]).toEqual([path, 403]);
    }
  });

  test('ignores implausible counts', async () => {
    const [sane, mad] = [await api.agent(), await api.agent()];
    const { status, body } = await asked('/v1/bandwidth/endpoints', async (record) => {
      const block = new AnswerBlockWriter();
      const huge: SqlValue[] = ['live', 'query', 2 ** 53 - 1, -5, 3_600, 2 ** 52, 9e15];
      block.add(mad.num, Buffer.from(encodeCbor(huge)));
      await api.service.emit(record, { t: 'rows', answers: block.bytes() });
      await item(record, [sane.num, liveRows(10)]);
      await api.service.end(record, { ledger: ledger({ answered: 2 }) });
    });
    expect(status).toBe(200);
    expect(body.endpoints.map(({ num, bytes }: { num: number; bytes: number }) => [num, bytes])).toEqual([
      [sane.num, 20],
      [mad.num, 0],
    ]);
  });

  test('names endpoints that did not answer, without those that recovered', async () => {
    const { num, agentId } = await api.agent({ facts: { host: 'late' } });
    const { body } = await asked('/v1/bandwidth/endpoints', async (record) => {
      await api.service.emit(record, {
        t: 'failures',
        failures: [
          [num, 'timed_out', 'deadline', 'no whole answer before the deadline'],
          [77, 'disconnected', 'disconnected', 'gone'],
        ],
      });
      await api.service.emit(record, { t: 'recovered', numbers: [77] });
      await item(record, [77, liveRows(10)]);
      await api.service.end(record, { ledger: ledger({ answered: 1, timed_out: 1 }) });
    });
    expect(body.missing).toEqual([
      { num, agentId, host: 'late', outcome: 'timed_out', code: 'deadline', message: expect.any(String) },
    ]);
    expect([body.total.endpoints, body.query.ledger.targeted]).toEqual([1, 2]);
  });

  test('totals include endpoints that are not listed', async () => {
    const { body } = await asked('/v1/bandwidth/endpoints?top=2', async (record) => {
      await item(record, ...Array.from({ length: 9 }, (_, i) => [i + 1, liveRows(i + 1)] as const));
      await api.service.end(record, { ledger: ledger({ answered: 9 }) });
    });
    expect(body.endpoints.map(({ num }: { num: number }) => num)).toEqual([9, 8]);
    expect(body.total).toMatchObject({ endpoints: 9, live: { bytesUp: 45, bytesDown: 45 } });
  });

  test('malformed rows are ignored', async () => {
    const { body } = await asked('/v1/bandwidth/endpoints', async (record) => {
      const odd = [
        ['__proto__', 'query', 1, 1, 1],
        ['live', 'constructor', 1, 1, 1],
        ['live', 'query', -5, 2n ** 62n, -1],
      ] as Row[];
      await item(record, [1, odd]);
      await api.service.end(record, { ledger: ledger({ answered: 1 }) });
    });
    expect(body.total).toMatchObject({
      endpoints: 1,
      live: { bytesUp: 0, bytesDown: 0, bytesPerHour: null, purposes: { query: { bytesUp: 0, bytesDown: 0 } } },
    });
  });

  test('of one endpoint, by its id', async () => {
    const { num, agentId } = await api.agent();
    const { body } = await asked(`/v1/agents/${agentId}/bandwidth`, async (record) => {
      await item(record, [num, liveRows(7)]);
      await api.service.end(record, { ledger: ledger({ answered: 1 }) });
    });
    expect(api.service.asked[0]).toMatchObject({ selector: `id=${agentId}`, timeoutMs: 10_000 });
    expect(body.endpoints).toMatchObject([{ agentId, live: { bytesUp: 7 } }]);
    expect((await api.get(`/v1/agents/${'a'.repeat(24)}/bandwidth`)).status).toBe(404);
  });

  test('is read within the bound of the caller, and audited', async () => {
    const { token, tokenId } = await api.token({ role: 'analyst', selector: 'env=prod' });
    const { status, body } = await asked(
      '/v1/bandwidth/endpoints?selector=os%3Dlinux',
      (record) => api.service.end(record),
      token,
    );
    expect([status, body.query.scope]).toEqual([200, 'os=linux,env=prod']);
    expect(api.service.asked[0]).toMatchObject({ bound: 'env=prod' });
    const [record] = (await api.audit()).filter(({ action }) => action === 'bandwidth.ask');
    expect(record).toMatchObject({ actor: tokenId, subject: body.query.id, scope: 'os=linux,env=prod' });
  });

  test.each(['0', '1y', '11m', 'soon'])('refuses the timeout %s', async (timeout) => {
    const { status, body } = await api.get(`/v1/bandwidth/endpoints?timeout=${timeout}`);
    expect([status, body.code, api.service.asked]).toEqual([400, 'bad_timeout', []]);
  });

  test('the query is cancelled when the caller disconnects', async () => {
    const gone = new AbortController();
    const headers = { authorization: `Bearer ${api.adminToken}` };
    const request = fetch(`${api.url}/v1/bandwidth/endpoints`, { headers, signal: gone.signal });
    await eventually(() => api.service.asked.some(({ t }) => t === 'start'));
    gone.abort();
    await expect(request).rejects.toThrow('aborted');
    await eventually(() => api.service.asked.some(({ t }) => t === 'cancel'));
  });
});
