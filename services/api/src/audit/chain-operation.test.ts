import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { encodeRecord, STREAM_SUBJECTS, verifyChain, type AuditRecord, type ChainLink } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture, ORG } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const read = async (query = ''): Promise<ChainLink[]> =>
  (await api.get(`/v1/audit/chain${query}`)).text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ChainLink);

/** Makes `count` audited calls. */
async function act(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    await api.ask('POST', '/v1/tokens', { body: { name: `t${i}`, role: 'viewer', selector: 'os in (linux,darwin)' } });
  }
}

describe('the audit chain', () => {
  test('as served can be verified by any client, from any record on', async () => {
    await api.connection.streams.append(
      STREAM_SUBJECTS.audit('other' as OrgId),
      encodeRecord({ org: 'other' } as AuditRecord),
    );
    await act(12);
    await eventually(async () => (await read()).length === 12);
    const links = await read();
    expect(verifyChain(links)).toMatchObject({ records: 12, unchained: 0, cut: false, faults: [] });
    expect(links[3]!.record).toMatchObject({ action: 'token.create', org: ORG, details: { name: 't3' } });
    const rest = await read(`?after=${links[4]!.seq}`);
    expect(rest).toEqual(links.slice(5));
    expect(verifyChain(rest)).toMatchObject({ cut: true, faults: [] });
    expect(verifyChain(links.toSpliced(6, 1)).faults).toHaveLength(1);
  });

  test('shows a record that was written outside the chain', async () => {
    await act(2);
    await eventually(async () => (await read()).length === 2);
    const { record } = (await read())[1]!;
    await api.connection.streams.append(STREAM_SUBJECTS.audit(ORG), encodeRecord({ ...record, actorName: 'Eve' }));
    await act(1);
    await eventually(async () => (await read()).length === 4);
    const links = await read();
    expect(verifyChain(links).faults).toMatchObject([{ kind: 'inserted', seq: links[2]!.seq }]);
  });

  test('is for admins that are not bounded', async () => {
    const bounded = await api.token({ role: 'admin', selector: 'os=linux' });
    const responder = await api.token({ role: 'responder' });
    for (const { token } of [bounded, responder]) {
      expect((await api.get('/v1/audit/chain', { token })).body.code).toBe('forbidden');
    }
  });
});
