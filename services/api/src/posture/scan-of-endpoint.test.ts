import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { operations } from '@muster/api-contract';
import type { OrgId } from '@muster/protocol';
import { ApiFixture } from '../testing/api-fixture.js';
import { scanResultOperations } from './scan-result-operations.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

test('a scan has nothing of an endpoint that is not there, and of one out of bounds, for who asks', async () => {
  const inside = await api.agent({ labels: { env: 'prod' } });
  const outside = await api.agent({ labels: { env: 'dev' } });
  const { token, tokenId } = await api.token({ role: 'responder', selector: 'env=prod' });
  const made = { org: 'default' as OrgId, operator: tokenId, operatorName: 'x', selector: '', scope: 'env=prod' };
  const id = await api.posture.makeScan(made);
  const codeOf = async (agent: string, given: object = {}) => {
    const { status, body } = await api.get(`/v1/scans/${id}/endpoints?agent=${agent}`, given);
    return status === 200 ? 200 : body.code;
  };
  expect(await codeOf(inside.agentId, { token })).toBe(200);
  expect(await codeOf(outside.agentId, { token })).toBe('not_found');
  expect(await codeOf(outside.agentId)).toBe(200);
  expect(await codeOf('a'.repeat(24))).toBe('not_found');
});

/** The outcomes of one check on endpoint 3, as the API has them from such a posture service. */
async function outcomesOf(reply: { readonly num?: number; readonly isWhole: boolean; readonly isCut: boolean }) {
  const endpoints = [2, 3, 4].map((num) => ({ num, outcome: 'fail', reason: null, evidence: null }));
  const parts = {
    client: { ask: () => Promise.resolve({ t: 'scan_endpoints', endpoints, ...reply }) },
    store: { findReadable: () => Promise.resolve({ id: 'q1', pack: {} }) },
    byNum: () => undefined,
    directory: { byId: () => ({ num: 3 }) },
  };
  const operation = scanResultOperations(parts as never).find(({ id }) => id === operations.listScanEndpoints.id);
  const query = { check: 'one', agent: 'a', limit: 3 };
  const given = { principal: { org: 'acme', bound: [] }, params: { id: 'q1' }, query };
  return (await operation?.handle(given as never)) as never as { readonly body: object };
}

test('a posture service of the version before tells of all endpoints: only the one is shown, and not as the whole', async () => {
  const item = { num: 3, outcome: 'fail' };
  const { body } = await outcomesOf({ isWhole: true, isCut: true });
  expect(body).toMatchObject({ items: [item], isWhole: false, nextCursor: expect.any(String) });
  const last = await outcomesOf({ isWhole: true, isCut: false });
  expect(last.body).toMatchObject({ items: [item], isWhole: false });
  expect(last.body).not.toHaveProperty('nextCursor');
  const now = await outcomesOf({ num: 3, isWhole: true, isCut: false });
  expect(now.body).toMatchObject({ items: [item], isWhole: true });
});
