import { expect, test } from '@jest/globals';
import type { RequestResult } from '@muster/bus';
import { RequestSeal } from '@muster/identity';
import { decodeServiceMessage, encodeBusMessage, type CommandRequest } from '@muster/messages';
import type { OrgId } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { CommandClient } from './command-client.js';
import type { Encode } from '@muster/service-base';

const caller = { id: 'o', name: 'Ann', role: 'responder', bound: '', from: '' } as const;
const list = { t: 'list', org: 'acme' as OrgId, caller, limit: 10 } as const;

function clientWith(seal?: RequestSeal) {
  const sent: Uint8Array[] = [];
  const bus = {
    maxPayloadBytes: 1024,
  };
  const asker = {
    ask: (encode: Encode): Promise<RequestResult> => {
      sent.push(encode({}));
      return Promise.resolve({ kind: 'reply', data: encodeBusMessage({ t: 'list', commands: [] }) });
    },
  };
  const clock = new FakeClock(1_700_000_000_000);
  return { client: new CommandClient({ bus, asker, clock, ...(seal === undefined ? {} : { seal }) }), sent, clock };
}

test('with a seal, requests are sealed with the current time', async () => {
  const seal = new RequestSeal(['k'.repeat(32)]);
  const { client, sent, clock } = clientWith(seal);
  await client.list(list);
  const opened = seal.open(sent[0] ?? new Uint8Array(), clock.now());
  expect(opened.ok && decodeServiceMessage<CommandRequest>(opened.body)).toEqual(list);
});

test('without a seal, requests are sent as they are', async () => {
  const { client, sent } = clientWith();
  await client.list(list);
  expect(decodeServiceMessage<CommandRequest>(sent[0] ?? new Uint8Array())).toEqual(list);
});

test('the seal counts towards the size of a message', async () => {
  const reason = 'x'.repeat(900);
  const cancel = { t: 'cancel', org: 'acme' as OrgId, caller, id: 'c1' as never, reason } as const;
  const bare = encodeBusMessage(cancel).length;
  expect(bare).toBeLessThanOrEqual(1024);
  expect(bare + 56).toBeGreaterThan(1024);
  const { client, sent } = clientWith(new RequestSeal(['k'.repeat(32)]));
  await expect(client.decide(cancel, () => undefined)).rejects.toMatchObject({ code: 'too_large' });
  expect(sent).toEqual([]);
});

test('without an answer a list says that nothing was read, and an order that it may be carried out', async () => {
  const asker = { ask: (): Promise<RequestResult> => Promise.resolve({ kind: 'timeout' }) };
  const client = new CommandClient({ bus: { maxPayloadBytes: 1024 }, asker, clock: new FakeClock(0) });
  await expect(client.list(list)).rejects.toMatchObject({
    code: 'timeout',
    message: expect.stringContaining('nothing was read'),
  });
  const cancel = { t: 'cancel', org: 'acme' as OrgId, caller, id: 'c1' as never, reason: 'x' } as const;
  await expect(client.decide(cancel)).rejects.toMatchObject({ message: expect.stringContaining('is not known') });
});
