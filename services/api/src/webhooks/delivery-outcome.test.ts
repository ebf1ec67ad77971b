import { describe, expect, test } from '@jest/globals';
import type { OrgId } from '@muster/protocol';
import type { WebhookDeliveryRecord } from '@muster/records';
import { DEAD_AFTER_MS, nextRecord } from './delivery-outcome.js';

const NOW = 1_790_000_000_000;
const fresh: WebhookDeliveryRecord = {
  ...{ org: 'o' as OrgId, webhookId: 'w', eventId: 'e', type: 't', createdAtMs: NOW, body: '{}' },
  ...{ state: 'pending', attempts: 0, nextAtMs: NOW },
};
const FAILED = { status: 500, error: 'no' };

describe('after an attempt', () => {
  test('waits double from 5 s to an hour, less up to a half by chance', () => {
    let record = fresh;
    const waits: number[] = [];
    for (let attempt = 0; attempt < 13; attempt += 1) {
      const shortest = nextRecord(record, FAILED, NOW, () => 1).nextAtMs! - NOW;
      record = nextRecord(record, FAILED, NOW, () => 0);
      waits.push((record.nextAtMs! - NOW) / 1_000);
      expect(shortest).toBe((record.nextAtMs! - NOW) / 2);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600, 3_600]);
    expect(record).toMatchObject({ state: 'pending', attempts: 13, body: '{}', lastError: 'no', lastStatus: 500 });
  });

  test('a day after the event it is dead, and not before', () => {
    expect(nextRecord(fresh, FAILED, NOW + DEAD_AFTER_MS - 1)).toMatchObject({ state: 'pending' });
    const dead = nextRecord(fresh, FAILED, NOW + DEAD_AFTER_MS);
    expect(dead).toMatchObject({ state: 'dead', attempts: 1, lastError: 'no' });
    expect(dead).not.toHaveProperty('body');
    expect(dead).not.toHaveProperty('nextAtMs');
  });

  test('what was taken keeps neither body nor error', () => {
    const taken = nextRecord({ ...fresh, lastError: 'before' }, { status: 204 }, NOW + 5);
    expect(taken).toMatchObject({ state: 'delivered', attempts: 1, lastAttemptAtMs: NOW + 5, lastStatus: 204 });
    for (const gone of ['body', 'lastError', 'nextAtMs']) expect(taken).not.toHaveProperty(gone);
  });
});
