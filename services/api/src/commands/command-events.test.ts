import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeNumberSet, type CommandRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';
import { parseSse, RawViewer } from '../testing/raw-viewer.js';

// Slow viewers read megabytes.

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start({ streamIntervals: { heartbeatMs: 100, stallMs: 2_000 } });
});
afterEach(() => api.stop());

const NDJSON = { accept: 'application/x-ndjson' };
const path = (record: CommandRecord, query = ''): string => `/v1/commands/${record.id}/events${query}`;
const names = (text: string): string[] => parseSse(text).map(({ event }) => event);

async function finished(): Promise<CommandRecord> {
  const { num } = await api.agent({ facts: { host: 'web-1' } });
  const record = await api.commands.make({}, [num, 998, 999]);
  await api.commands.settle(record, 'running', [1]);
  await api.commands.settle(record, 'succeeded', [1], { message: 'killed 1', effects: ['pid 7'] });
  await api.commands.settle(record, 'running', [1]);
  await api.commands.settle(record, 'expired', [2, 3], { code: 'expired' });
  await api.commands.settle(record, 'failed', [2], { message: 'too late' });
  return record;
}

describe('the events of a command', () => {
  test('have settled targets, then the ledger, and end when the last target has settled', async () => {
    const record = await finished();
    const { text, headers } = await api.get(path(record));
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const seen = parseSse(text);
    expect(seen.map(({ event }) => event)).toEqual([
      'command',
      'ledger',
      'ledger',
      'targets',
      'ledger',
      'targets',
      'ledger',
      'ended',
    ]);
    expect(seen[0]?.data.command).toMatchObject({ id: record.id, status: 'running' });
    expect(seen[1]?.data.ledger).toMatchObject({ targeted: 3, sent: 1, queued: 2 });
    expect(seen[3]?.data.targets).toEqual([
      {
        number: 1,
        agentId: expect.any(String),
        host: 'web-1',
        state: 'succeeded',
        code: '',
        message: 'killed 1',
        effects: ['pid 7'],
        at: expect.any(String),
      },
    ]);
    expect(seen[5]?.data.targets.map((target: any) => [target.number, target.state, target.host])).toEqual([
      [2, 'expired', null],
      [3, 'expired', null],
    ]);
    expect(seen[7]?.data.command).toMatchObject({ status: 'ended', ledger: { succeeded: 1, expired: 2 } });
    const lines = (await api.get(path(record), { headers: NDJSON })).text.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual(seen.map(({ data }) => data));
  });

  test('have every change, or no target, when requested', async () => {
    const record = await finished();
    const states = (text: string) =>
      parseSse(text)
        .filter(({ event }) => event === 'targets')
        .flatMap(({ data }) => data.targets.map((target: any) => `${target.number} ${target.state}`));
    const all = await api.get(path(record, '?targets=all'));
    expect(states(all.text)).toEqual(['1 sent', '1 running', '1 succeeded', '2 expired', '3 expired']);
    const none = await api.get(path(record, '?targets=none'));
    expect([states(none.text), names(none.text).at(-1)]).toEqual([[], 'ended']);
    expect((await api.get(path(record, '?targets=some'))).body.code).toBe('bad_request');
  });

  test('tell of a target what the list of targets tells', async () => {
    const { num } = await api.agent({ facts: { host: 'we"b\\1' } });
    const record = await api.commands.make({}, [num, 998]);
    const told = { code: 'o"k', message: 'line\n\u2028"two"', effects: ['pid "7"'] };
    await api.commands.settle(record, 'succeeded', [1], told);
    await api.commands.settle(record, 'expired', [2], told);
    const events = parseSse((await api.get(path(record))).text).filter(({ event }) => event === 'targets');
    const { items } = (await api.get(`/v1/commands/${record.id}/targets`)).body;
    expect(items[0]).toMatchObject({ host: 'we"b\\1', ...told });
    expect(events.flatMap(({ data }) => data.targets)).toEqual(items);
  });

  test('resume after any event: nothing is missed, and at most the events of one entry are repeated', async () => {
    const record = await finished();
    const seen = parseSse((await api.get(path(record))).text);
    let last: string | undefined;
    for (const [i, { id }] of seen.slice(0, -1).entries()) {
      last = id ?? last;
      const rest = parseSse((await api.get(path(record), { headers: { 'last-event-id': last ?? '' } })).text);
      expect(rest.slice(-(seen.length - i - 1))).toEqual(seen.slice(i + 1));
      expect(rest.length).toBeLessThanOrEqual(seen.length - i + 1);
      expect(parseSse((await api.get(path(record, `?after=${last ?? 0}`))).text)).toEqual(rest);
    }
    const end = seen.at(-1)?.id ?? '';
    expect((await api.get(path(record), { headers: { 'last-event-id': end } })).status).toBe(204);
    expect((await api.get(path(record, `?after=${Number(end) + 5}`))).status).toBe(204);
    expect((await api.get(path(record), { headers: { 'last-event-id': 'x' } })).body.code).toBe('bad_request');
    expect((await api.get(path(record), { headers: { accept: 'image/png' } })).body.code).toBe('not_acceptable');
  });

  test('come as they happen, with heartbeats in between', async () => {
    const record = await api.commands.make({ approval: { why: 'prod', role: 'responder' } });
    const viewer = new RawViewer(api, path(record));
    await eventually(() => viewer.text.includes('event: command'));
    expect(viewer.text).not.toContain('event: ledger');
    await eventually(() => viewer.text.includes(': heartbeat'));
    const signature = { jws: 'j', keys: 'k', approver: { id: 'b', name: 'Bob' } };
    await api.commands.keep(record, { t: 'signed', atMs: 1, signature, released: 1, sent: encodeNumberSet([1]) });
    await eventually(() => viewer.text.includes('"approver":{"id":"b","name":"Bob"}'));
    await api.commands.keep(record, { t: 'released', atMs: 2, upTo: 3 });
    await eventually(() => viewer.text.includes('"released":3'));
    const by = { id: 'p', name: 'Pat' };
    await api.commands.keep(record, { t: 'cancel', atMs: 3, by, code: 'cancelled', message: '' });
    await eventually(() => viewer.text.includes('event: targets'));
    expect(viewer.text).not.toContain('event: ended');
    await api.commands.settle(record, 'succeeded', [1]);
    await viewer.closed;
    expect(names(viewer.body).slice(-2)).toEqual(['ledger', 'ended']);
  });

  test('wait while the broker is unreachable, and invent nothing', async () => {
    const record = await api.commands.make();
    const viewer = new RawViewer(api, path(record));
    await eventually(() => viewer.text.includes('event: ledger'));
    api.broker.interrupt();
    const before = viewer.text.length;
    await eventually(() => viewer.text.slice(before).includes(': heartbeat'));
    expect(viewer.text).not.toContain('ended');
    api.broker.restore();
    await api.commands.settle(record, 'succeeded', [1]);
    await api.commands.settle(record, 'expired', [2, 3]);
    await viewer.closed;
    expect(names(viewer.body).at(-1)).toBe('ended');
  });

  test('end when their token is revoked', async () => {
    const record = await api.commands.make();
    const { token, tokenId } = await api.token({ role: 'viewer', expiresAtMs: Date.now() + 700 });
    const text = (await api.get(path(record), { token })).text;
    expect([names(text), tokenId]).toEqual([['command', 'ledger'], expect.any(String)]);
  });

  test('of 20,000 targets cost little memory for a viewer that stops reading, and do not delay another viewer', async () => {
    const TARGETS = 20_000;
    const nums = Array.from({ length: TARGETS }, (_, i) => i + 1);
    const record = await api.commands.make({}, nums);
    const stalled = new RawViewer(api, path(record, '?targets=all'), { read: false });
    await eventually(async () => (await api.metrics.registry.metrics()).includes('muster_api_viewers{format="sse"} 1'));
    const reader = new RawViewer(api, path(record, '?targets=all'));
    let mostBuffered = 0;
    const sampling = setInterval(() => (mostBuffered = Math.max(mostBuffered, ...api.bufferedBytes())), 5);
    const outcome = { message: 'x'.repeat(200), effects: ['y'.repeat(200)] };
    await api.commands.settle(record, 'sent', nums);
    await api.commands.settle(record, 'running', nums);
    await api.commands.settle(record, 'succeeded', nums, outcome);
    await reader.closed;
    const seen = parseSse(reader.body);
    const settled = seen.flatMap(({ event, data }) => (event === 'targets' ? data.targets : []));
    expect(settled.filter(({ state }) => state === 'succeeded')).toHaveLength(TARGETS);
    expect(seen.at(-1)?.data.command.ledger).toMatchObject({ targeted: TARGETS, succeeded: TARGETS });
    expect(reader.bytes).toBeGreaterThan(TARGETS * 500);
    expect(stalled.bytes).toBe(0);
    await eventually(
      async () => (await api.metrics.registry.metrics()).includes('muster_api_viewers_ended_total{how="stalled"} 1'),
      'the cut',
      15_000,
    );
    clearInterval(sampling);
    expect(mostBuffered).toBeGreaterThan(0);
    expect(mostBuffered).toBeLessThan(128 * 1024);
    stalled.socket.destroy();
  });
});
