import { expect, test } from '@jest/globals';
import type { GatewayUpdate } from '@muster/messages';
import { encodeCbor } from '@muster/protocol';
import { encodeNumberSet, GroupBlockWriter } from '@muster/records';
import { ResultAggregator } from '../aggregation/result-aggregator.js';
import { MANY_CHANGES, nextResultEvent } from './next-result-event.js';

/** Groups were written a moment ago: they are not due again. */
const scheduler = { due: true, groupsDue: () => false, takeProgress: () => true };

function answeredBy(count: number): ResultAggregator {
  const limits = { maxGroups: 10, maxGroupBytes: 10_000, maxQueuedBytes: 10_000, maxResultBytes: 10_000 };
  const aggregator = new ResultAggregator({ form: 'group', columns: 1, eventBytes: 10_000, ...limits });
  const nums = Array.from({ length: count }, (_, i) => 2 * i + 1);
  const groups = new GroupBlockWriter();
  groups.add(0, { row: encodeCbor([1]), endpoints: count, copies: count, sample: [1] });
  const nothing = new Uint8Array(0);
  const base = { query: '' as never, gateway: 'gw-a' as never };
  const updates: GatewayUpdate[] = [
    { ...base, t: 'targeted', seq: 0, joined: false, targets: encodeNumberSet(nums) },
    {
      ...{ ...base, t: 'partial', seq: 1, more: false, settled: true, empty: nothing, failures: [], answers: nothing },
      ...{ answered: encodeNumberSet(nums), groups: groups.bytes() },
    },
  ];
  for (const update of updates) aggregator.take(update, 0);
  return aggregator;
}

test('groups are written before too many endpoints wait to be named with them', () => {
  const options = { eventBytes: 10_000, elapsedMs: 0 };
  const few = nextResultEvent(answeredBy(MANY_CHANGES - 1), scheduler, options);
  expect(few).toMatchObject({ t: 'progress', ledger: { answered: 0 } });
  const many = nextResultEvent(answeredBy(MANY_CHANGES), scheduler, options);
  expect(many).toMatchObject({ t: 'groups', ledger: { answered: MANY_CHANGES } });
});
