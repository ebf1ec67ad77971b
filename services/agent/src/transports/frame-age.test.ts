import { describe, expect, test } from '@jest/globals';
import type { ModeBody, QueryBody } from '@muster/protocol';
import { agedFrame } from './frame-age.js';

const query = { remainingMs: 30_000 } as QueryBody;
const mode: ModeBody = {
  mode: 'live',
  intervalMs: 60_000,
  reason: '',
  spreadMs: 5_000,
  lease: { forMs: 10_000, next: { mode: 'poll', intervalMs: 1_000 } },
};

describe('a frame that waited', () => {
  test('leaves its query less time', () => {
    expect(agedFrame({ kind: 'query', ref: 1, body: query }, 12_000).body).toEqual({ remainingMs: 18_000 });
    expect(agedFrame({ kind: 'query', ref: 1, body: query }, 31_000).body).toEqual({ remainingMs: 0 });
  });

  test.each([
    [0, 10_000, 4_000],
    [3_000, 7_000, 4_000],
    [11_000, 0, 3_000],
    [20_000, 0, 0],
  ])('by %d ms asks to reconnect after %d ms and up to %d more', (ageMs, afterMs, spreadMs) => {
    const body = { afterMs: 10_000, spreadMs: 4_000, reason: 'age' };
    expect(agedFrame({ kind: 'reconnect', ref: 0, body } as never, ageMs).body).toEqual({
      afterMs,
      spreadMs,
      reason: 'age',
    });
  });

  test('shortens the lease, in MODE and in WELCOME', () => {
    const aged = { ...mode, spreadMs: 1_000, lease: { ...mode.lease!, forMs: 6_000 } };
    expect(agedFrame({ kind: 'mode', ref: 0, body: mode }, 4_000).body).toEqual(aged);
    const welcome = { agentId: 'a', epoch: 1, heartbeatMs: 1_000, labels: {} };
    expect(agedFrame({ kind: 'welcome', body: { ...welcome, mode } }, 4_000).body).toEqual({ ...welcome, mode: aged });
    expect(agedFrame({ kind: 'welcome', body: welcome }, 4_000).body).toEqual(welcome);
  });
});
