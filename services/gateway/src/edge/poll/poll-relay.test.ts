import { describe, expect, it } from '@jest/globals';
import type { RequestResult } from '@muster/bus';
import { encodeBusMessage } from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import type { GatewayLease } from '@muster/registry';
import { createMetrics } from '@muster/runtime';
import { createPollMetrics } from './poll-metrics.js';
import { PollRelay } from './poll-relay.js';

const HOLDER = 'gw-abc234' as GatewayId;
const REQUEST = { session: 's', have: 0 };

/** A relay whose requests meet with these, one after the other, and how often it asked. */
function relayTo(...results: RequestResult[]) {
  const asked: string[] = [];
  const leased: GatewayLease[] = [{ gatewayId: HOLDER, sessions: 1, draining: false, startedAtMs: 0, remainingMs: 1 }];
  const registry = { gateways: () => Promise.resolve({ kind: 'gateways', gateways: leased } as const) };
  const bus = {
    request: (subject: string) => {
      asked.push(subject);
      return Promise.resolve(results[asked.length - 1] ?? ({ kind: 'timeout' } as const));
    },
  };
  const relay = new PollRelay({ bus, registry, metrics: createPollMetrics(createMetrics('gateway')) });
  return { pass: () => relay.pass(HOLDER, REQUEST), asked, leased };
}

describe('a poll that another gateway holds the session of', () => {
  const frames = { kind: 'frames', upTo: 2, batch: new Uint8Array([1]) } as const;

  it('is answered by that one', async () => {
    const { pass } = relayTo({ kind: 'reply', data: encodeBusMessage({ t: 'polled', ...frames }) });
    expect(await pass()).toMatchObject(frames);
  });

  it('is asked again when no answer comes, and then hears that nobody is there any more', async () => {
    const { pass, asked } = relayTo({ kind: 'timeout' }, { kind: 'no_responders' });
    expect([await pass(), asked.length]).toEqual([{ kind: 'unknown' }, 2]);
  });

  it('is asked again while the holder waits for the session to become ready', async () => {
    const reply = { kind: 'reply', data: encodeBusMessage({ t: 'polled', ...frames }) } as const;
    const { pass } = relayTo({ kind: 'timeout' }, { kind: 'timeout' }, reply);
    expect(await pass()).toMatchObject(frames);
  });

  it('is given up when the holder stands still', async () => {
    const { pass, asked } = relayTo();
    expect([await pass(), asked.length]).toEqual([{ kind: 'unknown' }, 6]);
  });

  it('is given up soon when the lease of a holder that stands still is over', async () => {
    const { pass, asked, leased } = relayTo();
    leased.length = 0;
    expect([await pass(), asked.length]).toEqual([{ kind: 'unknown' }, 2]);
  });

  it('is not ended because this gateway has lost its broker', async () => {
    expect(await relayTo({ kind: 'disconnected' }).pass()).toEqual({ kind: 'unavailable' });
  });

  it('is not ended because the holder failed at it', async () => {
    const fault = encodeBusMessage({ t: 'fault', message: 'the gateway failed' });
    for (const data of [fault, new Uint8Array([1, 2])]) {
      expect(await relayTo({ kind: 'reply', data }).pass()).toEqual({ kind: 'unavailable' });
    }
  });
});
