import { expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type GatewayReply } from '@muster/messages';
import type { AgentId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { GatewayIdentity } from './gateway-identity.js';
import { GatewayInbox } from './gateway-inbox.js';

it('a gateway that stood still past its lease is fenced before it believes a request that waited', async () => {
  const broker = new MemoryBroker();
  const clock = new FakeClock();
  const identity = new GatewayIdentity({ clock, logger: silentLogger, leaseMs: 2_000 });
  const inbox = new GatewayInbox({ bus: broker.connect().bus, identity, logger: silentLogger });
  const happened: string[] = [];
  identity.listen({ fenced: () => void happened.push('fenced') });
  inbox.on('superseded', () => {
    happened.push('superseded');
    return { t: 'ok' };
  });
  inbox.start();
  identity.tick();
  const ask = async (): Promise<string | undefined> => {
    const request = encodeBusMessage({ t: 'superseded', agentId: 'a1' as AgentId, epoch: 2 });
    const result = await broker.connect().bus.request(SUBJECTS.gateway(identity.id), request, { timeoutMs: 5_000 });
    return result.kind === 'reply' ? decodeBusMessage<GatewayReply>(result.data, 'ok', 'fault')?.t : result.kind;
  };
  expect(await ask()).toBe('ok');
  // The process stands still: no timer of it runs.
  clock.advance(3_000);
  expect(await ask()).toBe('fault');
  expect(happened).toEqual(['superseded', 'fenced']);
  identity.tick();
  expect(await ask()).toBe('ok');
  inbox.stop();
});
