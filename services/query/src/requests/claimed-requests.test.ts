import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { decodeServiceMessage, encodeBusMessage, SUBJECTS, type QueryReply, type RequestTerms } from '@muster/messages';
import { newQueryId, type CoordinatorId } from '@muster/protocol';
import { STREAMS } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ServiceHarness } from '../testing/service-harness.js';

let harness: ServiceHarness;
let ids: CoordinatorId[];
beforeAll(async () => {
  harness = await ServiceHarness.open();
  const services = await Promise.all([harness.startService(), harness.startService()]);
  ids = services.map(({ coordinatorId }) => coordinatorId as CoordinatorId);
});
afterAll(() => harness.close());

async function askOne(
  service: number,
  terms: RequestTerms & { readonly id: ReturnType<typeof newQueryId> },
  timeoutMs = 20_000,
) {
  const request = encodeBusMessage({ ...harness.request(), ...terms });
  const subject = SUBJECTS.queryService(ids[service] as CoordinatorId);
  const result = await harness.broker.bus.request(subject, request, { timeoutMs });
  return result.kind === 'reply' ? decodeServiceMessage<QueryReply>(result.data) : result.kind;
}

async function keptQueries(): Promise<number> {
  let count = 0;
  for await (const _ of harness.broker.streams.read(STREAMS.queries.name, { lastPerSubject: true })) count += 1;
  return count;
}

test('a request that reaches two services starts one query, of which both tell', async () => {
  // It does not answer, so that no query ends before both have told of it.
  await harness.gateway([1]);
  for (let n = 0; n < 5; n += 1) {
    const before = await keptQueries();
    const id = newQueryId(Date.now());
    const [one, other] = await Promise.all([askOne(0, { id }), askOne(1, { id })]);
    expect(one).toMatchObject({ t: 'started', record: { id, state: 'running' } });
    expect(other).toEqual(one);
    expect(await keptQueries()).toBe(before + 1);
  }
  await harness.dropGateways();
});

test('a request that reaches the other service when its query has ended starts nothing, and is told the end', async () => {
  const before = 5;
  const id = newQueryId(Date.now());
  const one = await askOne(0, { id });
  if (one === 'timeout' || one === 'disconnected' || one === 'no_responders' || one.t !== 'started')
    throw new Error(`not started: ${JSON.stringify(one)}`);
  const ended = await harness.ended(one.record);
  expect(ended.state).toBe('complete');
  // The end is told before the record has it.
  await eventually(async () => (await harness.storedRecord(one.record)).state !== 'running', 'the end in the record');
  expect(await askOne(1, { id })).toEqual({ t: 'started', record: ended });
  // A record that is replaced while all are read comes later; one too many stays.
  await eventually(async () => (await keptQueries()) === before + 1, 'one more query');
});

test('a request whose deadline has passed is dropped', async () => {
  const before = await keptQueries();
  const id = newQueryId(Date.now());
  expect(await askOne(0, { id, expiresAtMs: Date.now() - 1 }, 3_000)).toBe('timeout');
  expect(await keptQueries()).toBe(before);
  expect(await askOne(0, { id, expiresAtMs: Date.now() + 60_000 })).toMatchObject({ t: 'started' });
});

test('an id that is not one of a query is refused', async () => {
  expect(await askOne(0, { id: 'a.b' as never })).toMatchObject({ t: 'problem', code: 'bad_request' });
});
