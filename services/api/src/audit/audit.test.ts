import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS, type AuditRecord } from '@muster/records';
import { ApiFixture, ORG } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

async function keep(count: number, change: (i: number) => Partial<AuditRecord> = () => ({})): Promise<void> {
  const base = {
    atMs: 1_700_000_000_000,
    org: ORG,
    actor: 'a',
    actorName: 'A',
    action: 'query.start',
    outcome: 'allowed',
    from: 'x',
  } as const;
  for (let i = 0; i < count; i += 1) {
    const record: AuditRecord = { ...base, subject: `s${i}`, ...change(i) };
    await api.connection.streams.append(STREAM_SUBJECTS.audit(record.org), encodeRecord(record));
  }
}

async function all(query = ''): Promise<string[]> {
  const subjects: string[] = [];
  for (let cursor = ''; ;) {
    const { body } = await api.get(`/v1/audit?limit=100${query}${cursor}`);
    subjects.push(...body.items.map(({ subject }: { subject?: string }) => subject ?? ''));
    if (body.nextCursor === undefined) return subjects;
    cursor = `&cursor=${body.nextCursor}`;
  }
}

describe('the audit record', () => {
  test('is listed newest first, paged without gaps or repeats, for any number of records', async () => {
    await keep(1_700, (i) => (i % 3 === 0 ? { org: 'other' as OrgId } : {}));
    const expected = Array.from({ length: 1_700 }, (_, i) => i)
      .filter((i) => i % 3 !== 0)
      .map((i) => `s${i}`)
      .toReversed();
    expect(await all()).toEqual(expected);
  });

  test('can be filtered by actor, action and outcome', async () => {
    await keep(30, (i) => ({
      actor: `a${i % 2}`,
      action: i % 3 === 0 ? 'token.create' : 'query.start',
      outcome: i % 5 === 0 ? 'refused' : 'allowed',
    }));
    const where = (holds: (i: number) => boolean) =>
      Array.from({ length: 30 }, (_, i) => i)
        .filter(holds)
        .map((i) => `s${i}`)
        .toReversed();
    expect(await all('&actor=a1')).toEqual(where((i) => i % 2 === 1));
    expect(await all('&action=token.create')).toEqual(where((i) => i % 3 === 0));
    expect(await all('&action=query')).toEqual(where((i) => i % 3 !== 0));
    expect(await all('&outcome=refused')).toEqual(where((i) => i % 5 === 0));
    expect((await api.get('/v1/audit?outcome=maybe')).body.code).toBe('bad_request');
  });

  test('has all since a time, also where the clock of one of its writers is slow', async () => {
    const nowMs = Date.now();
    await keep(700, (i) => ({ atMs: i === 650 ? nowMs - 3_600_000 : nowMs, actor: i < 50 ? 'b' : 'a' }));
    const since = new Date(nowMs - 60_000).toISOString();
    const expected = Array.from({ length: 50 }, (_, i) => `s${i}`).toReversed();
    expect(await all(`&actor=b&since=${since}`)).toEqual(expected);
  });

  test('is empty when nothing was done', async () => {
    expect((await api.get('/v1/audit')).body).toEqual({ items: [] });
  });
});

test('tables are listed by name, by platform, and one by one', async () => {
  const { body } = await api.get('/v1/tables');
  const names = body.items.map(({ name }: { name: string }) => name) as string[];
  expect(names).toEqual(names.toSorted());
  expect(names).toContain('processes');
  const linux = (await api.get('/v1/tables?platform=linux')).body.items as { name: string }[];
  expect(linux.length).toBeLessThan(names.length);
  expect((await api.get('/v1/tables/file')).body.requiresOneOf).toContain('path');
  expect((await api.get('/v1/tables/nope')).body.code).toBe('not_found');
});
