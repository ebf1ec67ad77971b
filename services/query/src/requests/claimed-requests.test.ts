import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { decodeServiceMessage, encodeBusMessage, SUBJECTS, type QueryReply, type RequestTerms } from '@muster/messages';
import { newQueryId, type CoordinatorId } from '@muster/protocol';
import { STREAMS } from '@muster/records';
import { ServiceHarness } from '../testing/service-harness.js';

let harness: ServiceHarness;
let ids: CoordinatorId[];
beforeAll(async () => {
  harness = await ServiceHarness.open();
  const services = await Promise.all([harness.startService(), harness.startService()]);
  ids = services.map(({ coordinatorId }) => coordinatorId as CoordinatorId);
});
afterAll(() => harness.close());

async function askOne(service: number, terms: RequestTerms & { readonly id: ReturnType<typeof newQueryId> }) {
  const request = encodeBusMessage({ ...harness.request(), ...terms });
  const subject = SUBJECTS.queryService(ids[service] as CoordinatorId);
  const result = await harness.broker.bus.request(subject, request, { timeoutMs: 3_000 });
  return result.kind === 'reply' ? decodeServiceMessage<QueryReply>(result.data) : result.kind;
}

async function keptQueries(): Promise<number> {
  let count = 0;
  for await (const _ of harness.broker.streams.read(STREAMS.queries.name, { lastPerSubject: true })) count += 1;
  return count;
}

test('a request that reaches two services starts one query, of which both tell', async () => {
  for (let n = 0; n < 5; n += 1) {
    const before = await keptQueries();
    const id = newQueryId(Date.now());
    const [one, other] = await Promise.all([askOne(0, { id }), askOne(1, { id })]);
    expect(one).toMatchObject({ t: 'started', record: { id, state: 'running' } });
    expect(other).toEqual(one);
    expect(await keptQueries()).toBe(before + 1);
  }
});

test('a request whose deadline has passed is dropped', async () => {
  const before = await keptQueries();
  const id = newQueryId(Date.now());
  expect(await askOne(0, { id, expiresAtMs: Date.now() - 1 })).toBe('timeout');
  expect(await keptQueries()).toBe(before);
  expect(await askOne(0, { id, expiresAtMs: Date.now() + 60_000 })).toMatchObject({ t: 'started' });
});

test('an id that is not one of a query is refused', async () => {
  expect(await askOne(0, { id: 'a.b' as never })).toMatchObject({ t: 'problem', code: 'bad_request' });
});
