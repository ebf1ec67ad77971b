import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { operations } from '@muster/api-contract';
import type { OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS, type AuditRecord } from '@muster/records';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { OCSF_VERSION, ocsfEvent } from './ocsf.js';

const BASE: AuditRecord = {
  ...{ atMs: 1_700_000_000_000, org: ORG, actor: 'a1', actorName: 'ann', action: 'query.start' },
  ...{ outcome: 'allowed', from: '192.0.2.7', subject: 'q1' },
};

describe('the audit record as a stream', () => {
  let api: ApiFixture;
  beforeEach(async () => {
    api = await ApiFixture.start({ streamIntervals: { heartbeatMs: 50 } });
  });
  afterEach(() => api.stop());

  const keep = async (change: Partial<AuditRecord>): Promise<void> => {
    const record = { ...BASE, ...change };
    await api.connection.streams.append(STREAM_SUBJECTS.audit(record.org), encodeRecord(record));
  };
  const accept = { accept: 'application/x-ndjson' };
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read any member
  const linesOf = (text: string): any[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === undefined);

  test('gives what is kept, oldest first, and goes on after the last one that was seen, without a gap or a repeat', async () => {
    for (let i = 0; i < 450; i += 1)
      await keep({ subject: `s${i}`, ...(i % 3 === 0 ? { org: 'other' as OrgId } : {}) });
    const all = linesOf((await api.get('/v1/audit', { headers: accept })).text);
    expect(all.map(({ subject }) => subject)).toEqual(
      Array.from({ length: 450 }, (_, i) => `s${i}`).filter((_, i) => i % 3 !== 0),
    );
    const middle = all[150] as { seq: number };
    const rest = linesOf((await api.get(`/v1/audit?after=${middle.seq}`, { headers: accept })).text);
    expect(rest).toEqual(all.slice(151));
    const headers = { ...accept, 'last-event-id': String(middle.seq) };
    expect(linesOf((await api.get('/v1/audit', { headers })).text)).toEqual(rest);
  });

  test('with follow has new records as they come, and lives meanwhile', async () => {
    await keep({ subject: 'before' });
    const reading = new AbortController();
    const response = await fetch(`${api.url}/v1/audit?follow=true&action=query`, {
      headers: { ...accept, authorization: `Bearer ${api.adminToken}` },
      signal: reading.signal,
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const until = async (part: string): Promise<void> => {
      while (!text.includes(part)) text += (await reader.read()).value ?? '';
    };
    await until('"before"');
    await until('"heartbeat"');
    await keep({ subject: 'after' });
    await keep({ subject: 'none', action: 'token.create' });
    await keep({ subject: 'last' });
    await until('"last"');
    expect(linesOf(text).map(({ subject }) => subject)).toEqual(['before', 'after', 'last']);
    reading.abort();
  });

  test('shows a bounded admin their own records, ends with its token, and is for admins', async () => {
    const { token, tokenId } = await api.token({ role: 'admin', selector: 'site=one' });
    await keep({ subject: 'theirs' });
    await keep({ subject: 'own', actor: tokenId });
    const own = linesOf((await api.get('/v1/audit?actor=a1', { token, headers: accept })).text);
    expect(own.map(({ subject }) => subject)).toEqual(['own']);
    const viewer = await api.token({ role: 'viewer' });
    expect((await api.get('/v1/audit', { token: viewer.token, headers: accept })).status).toBe(403);
    const response = await fetch(`${api.url}/v1/audit?follow=true`, {
      headers: { ...accept, authorization: `Bearer ${token}` },
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toContain('own');
    await api.ask('DELETE', `/v1/tokens/${tokenId}`);
    // It ends by itself: nothing here aborts it.
    while (!(await reader.read()).done);
  });

  test('a page takes nothing that is for the stream', async () => {
    for (const query of ['after=1', 'follow=true', 'schema=ocsf'])
      expect((await api.get(`/v1/audit?${query}`)).body.code).toBe('bad_request');
  });

  test('comes as OCSF', async () => {
    await keep({});
    const [event] = linesOf((await api.get('/v1/audit?schema=ocsf', { headers: accept })).text);
    expect(event).toMatchObject({
      class_uid: 6003,
      metadata: { version: OCSF_VERSION },
      api: { operation: 'query.start' },
    });
  });
});

/**
 * What version 1.2.0 of the schema requires, from its files: `events/base_event.json` with the includes `occurrence` and `classification`,
 * `events/application/application.json` and that of API Activity, and the objects that they name.
 */
const REQUIRED = {
  event: ['activity_id', 'category_uid', 'class_uid', 'metadata', 'severity_id', 'time', 'type_uid'],
  apiActivity: ['actor', 'api', 'src_endpoint'],
  metadata: ['product', 'version'],
  product: ['vendor_name'],
  api: ['operation'],
} as const;
/** At least one of these. */
const ONE_OF = {
  actor: ['process', 'user', 'invoked_by', 'session', 'app_name', 'app_uid'],
  user: ['account', 'name', 'uid'],
  endpoint: ['ip', 'uid', 'name', 'hostname', 'svc_name', 'instance_uid', 'interface_uid', 'interface_name'],
  entity: ['name', 'uid'],
} as const;
/** All members that the class and its objects have of those that are written here; others are no event of the class. */
const KNOWN = {
  event: [
    ...['activity_id', 'activity_name', 'actor', 'api', 'category_name', 'category_uid', 'class_name', 'class_uid'],
    ...['message', 'metadata', 'resources', 'severity', 'severity_id', 'src_endpoint', 'status', 'status_code'],
    ...['status_detail', 'status_id', 'time', 'type_name', 'type_uid', 'unmapped'],
  ],
  metadata: ['log_name', 'product', 'sequence', 'tenant_uid', 'uid', 'version'],
} as const;

type Members = Readonly<Record<string, unknown>>;

function expectValid(event: Members): void {
  const has = (object: unknown, names: readonly string[]): boolean =>
    names.every((name) => Object.hasOwn(object as Members, name));
  const hasOne = (object: unknown, names: readonly string[]): boolean =>
    names.some((name) => Object.hasOwn(object as Members, name));
  const { metadata, actor, api, src_endpoint: source, resources = [] } = event as Readonly<Record<string, Members>>;
  expect(has(event, [...REQUIRED.event, ...REQUIRED.apiActivity])).toBe(true);
  expect(has(metadata, REQUIRED.metadata) && has(metadata?.['product'], REQUIRED.product)).toBe(true);
  expect(has(api, REQUIRED.api)).toBe(true);
  expect(hasOne(actor, ONE_OF.actor) && hasOne(actor?.['user'], ONE_OF.user)).toBe(true);
  expect(hasOne(source, ONE_OF.endpoint)).toBe(true);
  expect(hasOne(metadata?.['product'], ONE_OF.entity)).toBe(true);
  for (const resource of resources as unknown as Members[]) expect(hasOne(resource, ONE_OF.entity)).toBe(true);
  expect(Object.keys(event).filter((key) => !(KNOWN.event as readonly string[]).includes(key))).toEqual([]);
  expect(Object.keys(metadata ?? {}).filter((key) => !(KNOWN.metadata as readonly string[]).includes(key))).toEqual([]);
  expect([0, 1, 2, 3, 4, 99]).toContain(event['activity_id']);
  expect(event['type_uid']).toBe(600_300 + Number(event['activity_id']));
  expect([0, 1, 2, 99]).toContain(event['status_id']);
  expect([0, 1, 2, 3, 4, 5, 6, 99]).toContain(event['severity_id']);
}

describe('an audit record as OCSF', () => {
  test.each(Object.values(operations).map(({ action }) => action))(
    '%s is a valid API Activity of a known kind',
    (action) => {
      const event = ocsfEvent(7, { ...BASE, action }) as Members;
      expectValid(event);
      // An operation whose verb nobody has thought of is found here.
      if (action !== 'webhook.test') expect([action, event['activity_id']]).not.toEqual([action, 99]);
    },
  );

  test.each([
    [
      { outcome: 'refused', code: 'forbidden' },
      { status_id: 2, severity_id: 2, status_code: 'forbidden' },
    ],
    [{ outcome: 'failed' }, { status_id: 2, status_detail: 'failed' }],
    [{ from: '' }, { src_endpoint: { name: 'unknown' } }],
    [{ from: '2001:db8::1' }, { src_endpoint: { ip: '2001:db8::1' } }],
    [
      { details: { sql: 'SELECT 1' }, scope: 'os=linux' },
      { unmapped: { details: { sql: 'SELECT 1' }, scope: 'os=linux' } },
    ],
    [{ action: '__proto__.constructor' }, { activity_id: 99 }],
  ] as const)('%j', (change, expected) => {
    const { subject: _, ...record } = { ...BASE, ...change };
    const event = ocsfEvent(7, record as AuditRecord) as Members;
    expectValid(event);
    expect(event).toMatchObject(expected);
  });
});
