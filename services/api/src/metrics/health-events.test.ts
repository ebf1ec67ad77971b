import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS, type HealthRecord, type HealthState } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { parseSse, type SeenEvent } from '../testing/raw-viewer.js';

const WITHIN_MS = 40_000;
type Agent = Awaited<ReturnType<ApiFixture['agent']>>;

let api: ApiFixture;
const open: AbortController[] = [];
beforeEach(async () => {
  api = await ApiFixture.start({ viewerBounds: { total: 4, perOrg: 4, perOperator: 3 } });
});
afterEach(async () => {
  for (const viewer of open.splice(0)) viewer.abort();
  await api.stop();
});

/** Of a record of an older version, which says only when it was written. */
const SINCE = '2026-01-01T00:00:00.000Z';
const last = new Map<string, number>();
/** As telemetry services record it. */
async function change({ agentId, num }: Agent, state: HealthState, org: OrgId = ORG): Promise<number> {
  const rules = state === 'ok' ? [] : [{ rule: 'disk_nearly_full', state, value: 0.98 }];
  const record: HealthRecord = {
    ...{ atMs: Date.UTC(2026, 0, 1), org, agentId, num, state, rules },
    ...{ before: state === 'ok' ? 'critical' : 'ok', prev: last.get(agentId) ?? 0 },
  };
  const result = await api.connection.streams.append(STREAM_SUBJECTS.health(org, agentId), encodeRecord(record));
  if (result.kind !== 'appended') throw new Error(result.kind);
  last.set(agentId, result.seq);
  return result.seq;
}

interface Viewer {
  readonly status: number;
  readonly text: () => string;
  readonly events: () => SeenEvent[];
}

async function view(
  query = '',
  { token = api.adminToken, after }: { token?: string; after?: number } = {},
): Promise<Viewer> {
  const controller = new AbortController();
  open.push(controller);
  const response = await fetch(`${api.url}/v1/health/events${query}`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(after === undefined ? {} : { 'last-event-id': String(after) }),
    },
    signal: controller.signal,
  });
  let text = '';
  const decoder = new TextDecoder();
  const reading = async (): Promise<void> => {
    for await (const part of response.body ?? []) text += decoder.decode(part as Uint8Array, { stream: true });
  };
  reading().catch(() => undefined);
  const events = (): SeenEvent[] => parseSse(text.slice(0, text.lastIndexOf('\n\n') + 2));
  if (response.status === 200) await eventually(() => text.includes('"began"'), 'it has begun', WITHIN_MS);
  return { status: response.status, text: () => text, events };
}

const names = (viewer: Viewer): string[] => viewer.events().map(({ event }) => event);
const states = (viewer: Viewer): unknown[] =>
  viewer.events().flatMap(({ data }) => (data.event === 'changed' ? [[data.agentId, data.state]] : []));

describe('changes of health', () => {
  test('are told from when the viewer has come, and from where another was cut off', async () => {
    const agent = await api.agent({ facts: { host: 'web-1' } });
    const before = await change(agent, 'critical');
    const viewer = await view();
    const seq = await change(agent, 'ok');
    await eventually(() => viewer.events().length === 2, 'the change comes', WITHIN_MS);
    expect(viewer.events()).toEqual([
      { id: String(before), event: 'began', data: { event: 'began', seq: before } },
      {
        ...{ id: String(seq), event: 'changed' },
        data: {
          ...{ event: 'changed', seq, at: '2026-01-01T00:00:00.000Z', agentId: agent.agentId, host: 'web-1' },
          ...{ state: 'ok', before: 'critical', rules: [] },
        },
      },
    ]);
    const resumed = await view('', { after: before });
    await eventually(() => resumed.events().length === 2, 'it goes on', WITHIN_MS);
    expect(resumed.events()[1]).toEqual(viewer.events()[1]);
    const all = await view('?after=0');
    await eventually(() => states(all).length === 2, 'all come', WITHIN_MS);
    expect(names(all)).toEqual(['began', 'changed', 'changed']);
  });

  test('are lines of JSON by Accept', async () => {
    const agent = await api.agent();
    const seq = await change(agent, 'warning');
    const controller = new AbortController();
    open.push(controller);
    const response = await fetch(`${api.url}/v1/health/events?after=0`, {
      headers: { authorization: `Bearer ${api.adminToken}`, accept: 'application/x-ndjson' },
      signal: controller.signal,
    });
    expect(response.headers.get('content-type')).toContain('application/x-ndjson');
    let text = '';
    for await (const part of response.body ?? []) {
      text += new TextDecoder().decode(part as Uint8Array);
      if (text.split('\n').length > 2) break;
    }
    const [, changed] = text.split('\n').map((line) => (line === '' ? undefined : JSON.parse(line)));
    expect(changed).toMatchObject({ event: 'changed', seq, state: 'warning', rules: [{ value: 0.98, since: SINCE }] });
  });

  test('of other orgs, and of endpoints outside the selector or the bound of the token, are not told', async () => {
    const [inside, outside] = [await api.agent({ labels: { site: 'x' } }), await api.agent({ labels: { site: 'y' } })];
    const stranger = await api.agent({ labels: { site: 'x' }, org: 'other' as OrgId });
    const { token } = await api.token({ role: 'viewer', selector: 'site=x' });
    const bounded = await view('', { token });
    const critical = await view('?selector=health%3Dcritical', { token });
    const chosen = await view('?selector=site%3Dy');
    await change(stranger, 'critical', 'other' as OrgId);
    await change(outside, 'critical');
    await change({ agentId: 'a'.repeat(24) as Agent['agentId'], num: 99 }, 'critical');
    await change(inside, 'warning');
    await change(inside, 'critical');
    await change(outside, 'ok');
    await eventually(
      () => states(bounded).length + states(critical).length + states(chosen).length >= 5,
      'they come',
      WITHIN_MS,
    );
    expect(states(bounded)).toEqual([
      [inside.agentId, 'warning'],
      [inside.agentId, 'critical'],
    ]);
    expect(states(critical)).toEqual([[inside.agentId, 'critical']]);
    expect(states(chosen)).toEqual([
      [outside.agentId, 'critical'],
      [outside.agentId, 'ok'],
    ]);
    expect((await api.get('/v1/health/events?selector=a%3D%3D%3D')).body.code).toBe('bad_selector');
  });

  test('that are not kept any more are told as a gap, of the endpoint that they are of', async () => {
    const [often, seldom] = [await api.agent(), await api.agent()];
    const from = await change(seldom, 'critical');
    // Ten are kept of each: nothing is missing.
    for (let i = 0; i < 10; i += 1) await change(often, i % 2 === 0 ? 'critical' : 'ok');
    const whole = await view('', { after: from });
    await eventually(() => states(whole).length === 10, 'all come', WITHIN_MS);
    expect(names(whole)).not.toContain('gap');
    await change(often, 'critical');
    await change(seldom, 'ok');
    const cut = await view('', { after: from });
    await eventually(() => states(cut).length === 11, 'the kept ones come', WITHIN_MS);
    expect(names(cut).slice(0, 3)).toEqual(['began', 'gap', 'changed']);
    expect(cut.events()[1]?.data).toMatchObject({ seq: null, agentId: often.agentId });
    expect(names(cut).filter((name) => name === 'gap')).toHaveLength(1);
    // Who saw the newest ones misses nothing.
    await change(often, 'ok');
    await eventually(() => states(cut).length === 12 && states(whole).length === 13, 'both go on', WITHIN_MS);
    expect(names(cut).filter((name) => name === 'gap')).toHaveLength(1);
    expect(names(whole)).not.toContain('gap');
  });

  test('after a position that this stream does not have are told after a gap', async () => {
    const agent = await api.agent();
    const newest = await change(agent, 'critical');
    const viewer = await view('', { after: newest + 1_000 });
    expect(viewer.events().map(({ data }) => data)).toEqual([
      { event: 'gap', seq: null, agentId: null, host: null },
      { event: 'began', seq: newest },
    ]);
    await change(agent, 'ok');
    await eventually(() => states(viewer).length === 1, 'it goes on', WITHIN_MS);
  });

  test('have no more viewers than event streams may be open', async () => {
    for (let i = 0; i < 3; i += 1) expect((await view()).status).toBe(200);
    expect((await view()).status).toBe(429);
  });
});
