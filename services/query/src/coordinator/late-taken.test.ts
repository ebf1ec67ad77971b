import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { encodeBusMessage, SUBJECTS, type GatewayUpdate } from '@muster/messages';
import { encodeCbor, type GatewayId } from '@muster/protocol';
import { AnswerBlockWriter, encodeNumberSet, type QueryRecord } from '@muster/records';
import { CoordinatorHarness } from '../testing/coordinator-harness.js';

/** More than is taken in one turn of the event loop. */
const ENDPOINTS = 8;
const ROW_BYTES = 150_000;
const NOTHING = new Uint8Array(0);

let harness: CoordinatorHarness;
beforeEach(async () => {
  harness = await new CoordinatorHarness({ maxQueuedBytes: 2 ** 26, maxResultBytes: 2 ** 28 }).open();
});
afterEach(() => harness.close());

const nums = Array.from({ length: ENDPOINTS }, (_, i) => i + 1);

function updates({ id }: QueryRecord): GatewayUpdate[] {
  const of = { query: id, gateway: 'gw-a' as GatewayId };
  const nothing = { answered: NOTHING, empty: NOTHING, failures: [], answers: NOTHING, groups: NOTHING };
  return [
    { ...of, t: 'targeted', seq: 0, joined: false, targets: encodeNumberSet([...nums, 99]) },
    ...nums.map((num): GatewayUpdate => {
      const block = new AnswerBlockWriter();
      block.add(num, encodeCbor(['x'.repeat(ROW_BYTES)]));
      return { ...of, t: 'partial', seq: num, more: false, settled: false, ...nothing, answers: block.bytes() };
    }),
  ];
}

test.each([
  ['its deadline', 'complete', () => harness.clock.advance(10_500)],
  ['its cancellation', 'cancelled', (record: QueryRecord) => harness.coordinator.get(record.id)?.end('cancelled')],
  ['the stop of the service', 'interrupted', () => void harness.coordinator.stop()],
])('answers that had arrived before %s count, also those that wait to be taken', async (_when, state, end) => {
  harness.lease('gw-a');
  const record = await harness.launch({ mode: 'raw' });
  const { bus } = harness.connection;
  const inbox = SUBJECTS.coordinatorInbox(harness.coordinatorId);
  let heard = 0;
  // In the turn in which the last of them arrives.
  bus.subscribe(inbox, () => {
    heard += 1;
    if (heard === ENDPOINTS + 1) end(record);
  });
  for (const update of updates(record)) bus.publish(inbox, encodeBusMessage(update));
  await harness.settle();
  const ended = await harness.ended(record);
  expect(ended).toMatchObject({ state, rows: ENDPOINTS });
  expect(ended.ledger).toMatchObject({ targeted: ENDPOINTS + 1, answered: ENDPOINTS, timed_out: 1 });
});
