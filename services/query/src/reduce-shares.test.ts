import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { encodeBusMessage, SUBJECTS, type QueryReply } from '@muster/messages';
import type { OrgId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import { ServiceHarness } from './testing/service-harness.js';

const FOREVER = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n';

let harness: ServiceHarness;
beforeAll(async () => {
  harness = await ServiceHarness.open();
  await harness.startService({ MUSTER_QUERY_REDUCE_TIMEOUT: '60s', MUSTER_QUERY_PER_ORG: '100' });
});
afterAll(() => harness.close());

async function ended(org: string): Promise<QueryRecord> {
  const query = await harness.start({ org: org as OrgId, operator: 'ann' });
  return harness.ended(query);
}

interface Reduction {
  readonly reply: Promise<QueryReply>;
  readonly stop: () => void;
}

let jobs = 0;
function reduce({ org, id }: QueryRecord, operator: string, sql: string): Reduction {
  const job = `job-${(jobs += 1)}`;
  const reply = harness.send({ t: 'reduce', org, id, sql, operator, job }, 60_000);
  return { reply, stop: () => void harness.broker.bus.publish(SUBJECTS.reduceStops, stopOf(job)) };
}
const stopOf = (job: string): Uint8Array => encodeBusMessage({ t: 'reduce_stop', job });
const ONE = { t: 'reduced', rows: [[1]] };

test('the reductions of one operator, and of one org, leave room for others; one whose viewer has gone ends', async () => {
  const [acme, other] = [await ended('acme'), await ended('other')];
  // Two operators take all that one org may have, and what may wait.
  const endless = ['ann', 'bob'].flatMap((operator) =>
    Array.from({ length: 5 }, () => reduce(acme, operator, FOREVER)),
  );
  // In the order of the requests: the ones before have their place when this one is answered.
  const refused = { t: 'problem', code: 'too_many_queries', details: { scope: 'operator', limit: 4 } };
  expect(await reduce(acme, 'ann', FOREVER).reply).toMatchObject(refused);
  expect(await reduce(acme, 'cid', FOREVER).reply).toMatchObject({
    code: 'too_many_queries',
    details: { scope: 'org' },
  });
  expect(await reduce(other, 'dora', 'SELECT 1 AS one').reply).toMatchObject(ONE);
  // A query's own reduction is not refused, and has its turn when those before it have left.
  const own = await harness.start({ operator: 'ann', reduce: 'SELECT 1 AS one' });
  for (const { stop } of endless) stop();
  for (const { reply } of endless) {
    expect(await reply).toMatchObject({
      t: 'problem',
      code: 'reduce_failed',
      message: expect.stringMatching(/nobody/),
    });
  }
  expect(await reduce(acme, 'cid', 'SELECT 1 AS one').reply).toMatchObject(ONE);
  expect(await harness.eventsUntilEnd(own)).toContainEqual(expect.objectContaining({ t: 'reduced', rows: [[1]] }));
});
