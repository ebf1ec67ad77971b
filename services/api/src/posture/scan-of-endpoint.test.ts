import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import { ApiFixture } from '../testing/api-fixture.js';

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
