import { describe, expect, it } from '@jest/globals';
import type { ModeBody } from '@muster/protocol';
import { ChannelSelector, completeChannelBehaviour, type ChannelBehaviour } from './channel-selector.js';

const modeBody = (mode: 'live' | 'poll', more: Partial<ModeBody> = {}): ModeBody => {
  return { mode, intervalMs: 1_000, reason: 'test', spreadMs: 0, ...more };
};

describe('the channel selector', () => {
  const failure = { heldMs: 0, why: 'no' };
  const channelOf = (more: Partial<ChannelBehaviour> = {}): ChannelSelector =>
    new ChannelSelector(completeChannelBehaviour({ fallback: true, ...more }), 0);
  const afterThree = (channel: ChannelSelector): ChannelSelector => {
    for (let i = 0; i < 3; i += 1) channel.failed('live', failure, 1_000 * i);
    return channel;
  };

  it('falls back to Poll after three failures of Live in a row, and reports since when', () => {
    const channel = channelOf();
    channel.failed('live', failure, 0);
    channel.failed('live', failure, 0);
    expect([channel.next, channel.nextTryMs()]).toEqual(['live', undefined]);
    channel.failed('live', failure, 5_000);
    expect([channel.next, channel.desiredMode, channel.fallbackField(7_000).away]).toEqual([
      'poll',
      'poll',
      { forMs: 7_000, failures: 3, why: 'no' },
    ]);
    expect(channel.nextTryMs()).toBeLessThanOrEqual(30_000);
  });

  it('stays on Live when a session held in between, and without fallback or capability', () => {
    const held = channelOf();
    held.failed('live', failure, 0);
    held.failed('live', failure, 0);
    held.failed('live', { heldMs: 30_000, why: 'cut' }, 0);
    held.failed('live', failure, 0);
    expect(held.next).toBe('live');
    expect(afterThree(channelOf({ fallback: false })).next).toBe('live');
    expect(afterThree(channelOf({ capable: false })).next).toBe('live');
  });

  it('alternates while Poll fails too', () => {
    const channel = afterThree(channelOf());
    channel.failed('poll', failure, 0);
    expect([channel.next, channel.desiredMode]).toEqual(['live', 'poll']);
    channel.failed('live', failure, 0);
    expect(channel.next).toBe('poll');
  });

  it('ends the fallback when a Live session is ready, or when Poll is assigned', () => {
    const back = afterThree(channelOf());
    back.ready('live');
    expect([back.desiredMode, back.fallbackField(0)]).toEqual(['live', {}]);
    const assigned = afterThree(channelOf());
    assigned.assign(modeBody('poll'), 0, 0);
    expect([assigned.desiredMode, assigned.fallbackField(0), assigned.nextTryMs()]).toEqual(['poll', {}, undefined]);
  });

  it('counts a lease from the moment when it was assigned', () => {
    const channel = channelOf();
    channel.assign(modeBody('poll', { lease: { forMs: 1_000, next: { mode: 'live', intervalMs: 5_000 } } }), 400, 0);
    expect([channel.lapse(599), channel.desiredMode]).toEqual([undefined, 'poll']);
    expect([channel.lapse(600), channel.desiredMode, channel.intervalMs]).toEqual([expect.any(Number), 'live', 5_000]);
    expect(channel.lapse(700)).toBeUndefined();
  });
});
