import { expect, test } from '@jest/globals';
import type { OrgId, QueryId } from '@muster/protocol';
import { PostureRequests } from './posture-requests.js';

test('outcomes of one endpoint say whose they are: a service of the version before answers with those of all', async () => {
  const group = { check: 0, outcome: 'fail', reason: null, evidence: null, endpoints: 3, nums: [2, 3, 4], sample: [] };
  const scan = {
    fold: { groups: () => [group] },
    pack: { checks: [{ id: 'one' }] },
    exceptions: { of: () => undefined },
  };
  const requests = new PostureRequests({ reader: { find: () => Promise.resolve(scan) } } as never);
  const asked = { t: 'scan_endpoints' as const, org: 'acme' as OrgId, id: 'q1' as QueryId, check: 'one' };
  const one = await requests.handle({ ...asked, num: 3, after: 0, limit: 2 });
  expect(one).toMatchObject({ num: 3, endpoints: [{ num: 3 }], isWhole: true, isCut: false });
  const all = await requests.handle({ ...asked, after: 0, limit: 2 });
  expect(all).toMatchObject({ endpoints: [{ num: 2 }, { num: 3 }], isWhole: true, isCut: true });
  expect(all).not.toHaveProperty('num');
});
