import { describe, expect, it } from '@jest/globals';
import type { Bus, RequestResult } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type PollReply, type PollRequest } from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import type { GatewayLease } from '@muster/registry';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { GatewayIdentity } from '../../foundation/gateway-identity.js';
import { createPollMetrics } from './poll-metrics.js';
import { PollRelay, type PollRelayOptions } from './poll-relay.js';

const HOLDER = 'gw-abc234' as GatewayId;
const REQUEST = { session: 'a hash', have: 0 };
const NAME = 'a name';

function relayWith(parts: Pick<PollRelayOptions, 'bus' | 'registry'>) {
  const clock = new FakeClock();
  const identity = new GatewayIdentity({ clock, logger: silentLogger, leaseMs: 15_000 });
  const metrics = createPollMetrics(createMetrics('gateway'));
  return Object.assign(new PollRelay({ ...parts, identity, logger: silentLogger, metrics }), { clock, identity });
}

/** A relay whose requests meet with these, one after the other, and how often it asked. */
function relayTo(...results: RequestResult[]) {
  const asked: string[] = [];
  const sessions: string[] = [];
  const leased: GatewayLease[] = [{ gatewayId: HOLDER, sessions: 1, draining: false, startedAtMs: 0, remainingMs: 1 }];
  const registry = { gateways: () => Promise.resolve({ kind: 'gateways', gateways: leased } as const) };
  const bus = {
    request: (subject: string, message: Uint8Array) => {
      asked.push(subject);
      sessions.push(decodeBusMessage<PollRequest & { t: 'poll' }>(message, 'poll')?.session ?? '');
      return Promise.resolve(results[asked.length - 1] ?? ({ kind: 'timeout' } as const));
    },
  };
  const relay = relayWith({ bus: bus as unknown as Bus, registry });
  return { pass: () => relay.pass(HOLDER, REQUEST, NAME), asked, sessions, leased };
}

describe('a poll that another gateway holds the session of', () => {
  const frames = { kind: 'frames', upTo: 2, batch: new Uint8Array([1]) } as const;

  it('is answered by that one', async () => {
    const { pass } = relayTo({ kind: 'reply', data: encodeBusMessage({ t: 'polled', ...frames }) });
    expect(await pass()).toMatchObject(frames);
  });

  it('says the name of the session only to a holder of the version before, which does not know the hash', async () => {
    const told = (reply: PollReply): RequestResult => ({
      kind: 'reply',
      data: encodeBusMessage({ t: 'polled', ...reply }),
    });
    const former = relayTo(told({ kind: 'unknown' }), told(frames));
    expect([await former.pass(), former.sessions]).toMatchObject([frames, ['a hash', NAME]]);
    const same = relayTo(told({ kind: 'unknown', byHash: true }));
    expect([await same.pass(), same.sessions]).toMatchObject([{ kind: 'unknown' }, ['a hash']]);
    const gone = relayTo({ kind: 'no_responders' });
    expect([await gone.pass(), gone.sessions]).toMatchObject([{ kind: 'unknown' }, ['a hash']]);
  });

  it('is sent again when no answer comes, and is unknown when nobody listens any more', async () => {
    const { pass, asked } = relayTo({ kind: 'timeout' }, { kind: 'no_responders' });
    expect([await pass(), asked.length]).toEqual([{ kind: 'unknown' }, 2]);
  });

  it('is sent again while the holder waits for the session to become ready', async () => {
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

describe('polls that other gateways pass on', () => {
  function answering() {
    const { bus } = new MemoryBroker().connect();
    const registry = { gateways: () => Promise.resolve({ kind: 'gateways', gateways: [] } as const) };
    const relay = relayWith({ bus, registry });
    relay.start(({ have }) => Promise.resolve({ kind: 'frames', upTo: have, batch: new Uint8Array() }));
    const poll = encodeBusMessage({ t: 'poll', ...REQUEST });
    const polled = async (id: GatewayId): Promise<string> =>
      (await bus.request(SUBJECTS.gatewayPolls(id), poll, { timeoutMs: 5_000 })).kind;
    return { relay, polled };
  }

  it('are answered until it stops', async () => {
    const { relay, polled } = answering();
    expect(await polled(relay.identity.id)).toBe('reply');
    relay.stop();
    expect(await polled(relay.identity.id)).toBe('no_responders');
  });

  it('are not answered under former ids after a fencing', async () => {
    const { relay, polled } = answering();
    const former = relay.identity.id;
    relay.identity.tick();
    relay.clock.advance(16_000);
    relay.identity.checkLease();
    expect([await polled(former), await polled(relay.identity.id)]).toEqual(['no_responders', 'reply']);
    relay.stop();
  });
});
