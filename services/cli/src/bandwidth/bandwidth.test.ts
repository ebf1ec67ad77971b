import { describe, expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { endedQuery } from '../testing/fake-api.js';
import type { ChannelBandwidthJson, EndpointsBandwidthJson, FleetBandwidthJson } from '@muster/api-contract';
import { FOR_PEOPLE, FOR_PROGRAMS } from './units.js';

const { api, muster } = cliHarness({ NO_COLOR: '1' });

const live = {
  endpoints: 12,
  seconds: 43_200,
  bytesUp: 60_000,
  bytesDown: 10_848,
  bytesPerHour: 5_904,
  purposes: { session: { bytesUp: 6_000, bytesDown: 6_000 }, heartbeat: { bytesUp: 54_000, bytesDown: 4_848 } },
};
const poll = {
  endpoints: 3,
  seconds: 3_600,
  bytesUp: 200_000,
  bytesDown: 112_322,
  bytesPerHour: 312_322,
  purposes: { session: { bytesUp: 200_000, bytesDown: 112_322 } },
};
const enrol = { bytesUp: 900, bytesDown: 1_200 };
const frames = { live, poll, enrol };
const channels = { ...frames, pollToLive: 52.9 };
const sockets = { measured: 'sockets', bytesUp: 3_000_000, bytesDown: 1_500_000_000, missed: 0 } as const;

function fleet(
  change: Partial<FleetBandwidthJson['fleet']> = {},
  gateways: FleetBandwidthJson['gateways'] = [],
): FleetBandwidthJson {
  const answered = {
    id: 'g1',
    state: 'answered',
    startedAt: '2026-01-01T00:00:00.000Z',
    ...frames,
    sockets,
  } as const;
  return {
    measuredAt: '2026-01-01T12:00:00.000Z',
    fleet: { gateways: { asked: 1 + gateways.length, answered: 1 }, ...frames, sockets, ...change },
    gateways: [answered, ...gateways],
  };
}

describe('of the fleet', () => {
  test('Live and Poll stand side by side, in units on a terminal', async () => {
    api.json('GET /v1/bandwidth', fleet());
    const { code, out, err } = await muster(['bandwidth', '--no-ask'], { isTTY: true, columns: 100 });
    expect(code).toBe(0);
    expect(err).not.toContain('targeted');
    expect(api.requests.at(-1)?.path).toBe('/v1/bandwidth?ask=false');
    expect(out).toBe(
      [
        'Gateways, frames only',
        '                          LIVE    POLL',
        'endpoints                   12       3',
        'hours of sessions           12       1',
        'up                     60.0 kB  200 kB',
        'down                   10.8 kB  112 kB',
        'per hour and endpoint  5.90 kB  312 kB',
        '  session              1.00 kB  312 kB',
        '  heartbeat            4.90 kB     0 B',
        '',
        'Sockets: 3.00 MB up, 1.50 GB down, with TLS, HTTP and everything else on the port of agents.',
        'Enrolments: 900 B up, 1.20 kB down.',
        '1 gateway, since each of them started.',
        '',
      ].join('\n'),
    );
  });

  test('amounts are plain numbers in a pipe; the JSON forms are the API’s own', async () => {
    api.json('GET /v1/bandwidth', fleet());
    expect((await muster(['bandwidth'])).out).toMatch(/^per hour and endpoint +5904 +312322$/m);
    expect(JSON.parse((await muster(['bandwidth', '-o', 'json'])).out)).toEqual(fleet());
    const { out } = await muster(['bandwidth', '-o', 'ndjson']);
    expect(out.split('\n').map((line) => (line === '' ? line : (JSON.parse(line) as unknown)))).toEqual([
      ...fleet().gateways,
      '',
    ]);
  });

  test('what endpoints counted at their sockets comes first; those that did not answer are named', async () => {
    const query = endedQuery({}, { targeted: 16, answered: 15, timed_out: 1 });
    const failure = {
      num: 9,
      agentId: 'b',
      host: 'late',
      outcome: 'timed_out',
      code: 'deadline',
      message: 'too late',
    } as const;
    api.json('GET /v1/bandwidth', { ...fleet(), endpoints: endpoints({ query, missing: [failure] }) });
    const { code, out, err } = await muster(['bandwidth', '--timeout', '90s']);
    expect(api.requests.at(-1)?.path).toBe('/v1/bandwidth?timeout=90s');
    expect(out).toMatch(/^Endpoints, at their sockets[^]*^per hour and endpoint .*52\.9×$[^]*^Gateways, frames only$/m);
    expect(err).toMatch(/15 answered \+ 1 timed out[^]*1 +timed_out +deadline +late: too late/);
    expect(code).toBe(3);
  });

  test('for others than platform admins there are the endpoints of their org alone', async () => {
    const refused = {
      code: 'forbidden',
      detail: 'only admins of the platform may see it',
      status: 403,
      platform: true,
    };
    api.json('GET /v1/bandwidth', refused, 403);
    api.json('GET /v1/bandwidth/endpoints', endpoints());
    const { code, out, err } = await muster(['bandwidth', '--timeout', '90s']);
    expect([code, api.requests.at(-1)?.path]).toEqual([0, '/v1/bandwidth/endpoints?selector=&top=10&timeout=90s']);
    expect(out).not.toContain('Gateways');
    expect(err).toContain('What gateways count is for admins of the platform; here are your endpoints.');
    expect(await muster(['bandwidth', '--no-ask'])).toMatchObject({ code: 1 });
  });

  test('names the gateways that did not answer and ends with 3', async () => {
    api.json('GET /v1/bandwidth', fleet({}, [{ id: 'g2', state: 'no_answer' }]));
    const { code, out } = await muster(['bandwidth']);
    expect(code).toBe(3);
    expect(out).toContain('1 of 2 gateways answered; not g2.');
  });

  test('says that there may be more gateways, and ends with 3', async () => {
    api.json('GET /v1/bandwidth', fleet({ gateways: { asked: 1, answered: 1, inDoubt: true } }));
    const { code, out } = await muster(['bandwidth']);
    expect(code).toBe(3);
    expect(out).toContain('There may be more gateways');
  });

  test('a fleet whose sockets could not be measured, or not completely, is marked', async () => {
    api.json('GET /v1/bandwidth', fleet({ sockets: { measured: 'frames', bytesUp: 0, bytesDown: 0, missed: 0 } }));
    const { out } = await muster(['bandwidth']);
    expect(out).toContain('Frames only');
    expect(out).not.toContain('Sockets:');
    api.json('GET /v1/bandwidth', fleet({ sockets: { ...sockets, measured: 'partly', missed: 2 } }));
    expect((await muster(['bandwidth'])).out).toMatch(/Sockets of some of the gateways: .*\n.*missed 2 times/);
  });
});

/** What one endpoint counted: its connections instead of endpoints. */
function opened({ endpoints: connections, ...channel }: ChannelBandwidthJson) {
  return { connections, ...channel };
}

function endpoints(change: Partial<EndpointsBandwidthJson> = {}): EndpointsBandwidthJson {
  const since = '2026-01-01T00:00:00.000Z';
  return {
    query: endedQuery({ rows: 30 }, { targeted: 15, answered: 15 }),
    total: { endpoints: 15, ...channels },
    endpoints: [
      {
        num: 7,
        agentId: 'a',
        host: 'web\u001b[2J',
        since,
        bytes: 400_000,
        live: opened(live),
        poll: opened(poll),
        pollToLive: 52.9,
      },
      { num: 8, agentId: null, host: null, since, bytes: 70_848, live: opened(live), pollToLive: null },
    ],
    missing: [],
    ...change,
  };
}

describe('of endpoints', () => {
  test('only the selected endpoints are asked; those with the most bytes come first', async () => {
    api.json('GET /v1/bandwidth/endpoints', endpoints());
    const args = ['bandwidth', '--target', 'site=branch', '--top', '2', '--timeout', '90s'];
    const { code, out, err } = await muster(args, { isTTY: true, columns: 100 });
    expect(code).toBe(0);
    expect(api.requests.at(-1)?.path).toBe('/v1/bandwidth/endpoints?selector=site%3Dbranch&top=2&timeout=90s');
    expect(out).toContain('per hour and endpoint  5.90 kB  312 kB      52.9×\n');
    expect(out).toContain(
      [
        'The most bytes (2 of 15):',
        'HOST       LIVE/H  POLL/H  POLL/LIVE    BYTES  SINCE',
        'web\\e[2J  5.90 kB  312 kB      52.9×   400 kB  2026-01-01 00:00 UTC',
        '#8        5.90 kB       -          -  70.8 kB  2026-01-01 00:00 UTC',
        '',
      ].join('\n'),
    );
    expect(err).toMatch(/15 targeted = 15 answered/);
  });

  test('ends with 3 and names who did not answer', async () => {
    const failure = { num: 9, agentId: 'b', host: 'late', outcome: 'timed_out', code: 'deadline', message: 'too late' };
    const query = endedQuery({}, { targeted: 16, answered: 15, timed_out: 1 });
    api.json('GET /v1/bandwidth/endpoints', { ...endpoints(), query, missing: [failure] });
    const { code, err } = await muster(['bandwidth', '--target', '']);
    expect(code).toBe(3);
    expect(err).toMatch(/1 +timed_out +deadline +late: too late/);
  });

  test('an empty selection is reported', async () => {
    const none = { endpoints: 0, seconds: 0, bytesUp: 0, bytesDown: 0, bytesPerHour: null, purposes: {} };
    const total = { endpoints: 0, live: none, poll: none, enrol, pollToLive: null };
    const query = endedQuery({ offline: 4 });
    api.json('GET /v1/bandwidth/endpoints', endpoints({ query, total, endpoints: [] }));
    const { code, out, err } = await muster(['bandwidth', '--target', 'os=linux']);
    expect([code, out]).toEqual([0, '']);
    expect(err).toContain('No endpoint is connected; 4 enrolled ones are offline.');
  });

  test('lines are the API’s endpoints', async () => {
    api.json('GET /v1/bandwidth/endpoints', endpoints());
    const { out } = await muster(['bandwidth', '--target', '', '-o', 'ndjson']);
    expect(out).not.toContain('\u001b');
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(endpoints().endpoints);
  });

  test.each([
    [['--top', '5'], /--top is for endpoints/],
    [['--no-ask', '--target', ''], /--no-ask asks no endpoint/],
    [['--no-ask', '--timeout', '5s'], /--no-ask asks no endpoint/],
    [['--target', '', '--top', '0'], /--top must be 1 to 1000/],
    [['--output', 'csv'], /--output must be one of/],
  ])('%j is a wrong use', async (args, message) => {
    const { code, err } = await muster(['bandwidth', ...args]);
    expect([code, api.requests]).toEqual([2, []]);
    expect(err).toMatch(message);
  });
});

test('units keep three digits and never show a thousand of one', () => {
  const amounts = [0, 999, 1_000, 9_994, 9_996, 99_940, 99_960, 999_400, 999_600, 1_234_567, 5e15];
  expect(amounts.map((amount) => FOR_PEOPLE.bytes(amount))).toEqual([
    '0 B',
    '999 B',
    '1.00 kB',
    '9.99 kB',
    '10.0 kB',
    '99.9 kB',
    '100 kB',
    '999 kB',
    '1.00 MB',
    '1.23 MB',
    '5.00 PB',
  ]);
  expect([FOR_PROGRAMS.bytes(1_234.6), FOR_PROGRAMS.hours(5_400), FOR_PEOPLE.hours(5_400)]).toEqual([
    '1235',
    '1.500',
    '1.5',
  ]);
});
