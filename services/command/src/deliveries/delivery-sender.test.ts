import { expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { decodeBusMessage, SUBJECTS, type DeliverCommand } from '@muster/messages';
import type { CommandId, GatewayId, OrgId } from '@muster/protocol';
import { encodeNumberSet, type CommandRecord, type StatesEntry } from '@muster/records';
import { createMetrics, NO_TRACER } from '@muster/runtime';
import { OpenCommand } from '../journal/open-command.js';
import { deliveryMetrics, DeliverySender } from './delivery-sender.js';

test('an outcome that is reported while routes are looked up overtakes the delivery, and not the other way round', async () => {
  const { bus } = new MemoryBroker().connect();
  const gateway = 'gw-1' as GatewayId;
  const delivered: number[] = [];
  bus.subscribe(SUBJECTS.gatewayCommands(gateway), ({ data }) => {
    const message = decodeBusMessage<DeliverCommand>(data, 'command_deliver');
    for (const [number] of message?.targets ?? []) delivered.push(number);
  });
  const record = {
    ...{ id: 'c1' as CommandId, org: 'acme' as OrgId, submittedAtMs: 1 },
    targets: { sets: [encodeNumberSet([7, 8, 9])] },
  } as unknown as CommandRecord;
  const command = new OpenCommand(record, 1);
  const sent = encodeNumberSet([1, 2, 3]);
  command.fold.apply({ t: 'submitted', atMs: 1, record, signature: { jws: 'j', keys: 'k' }, released: 3, sent });
  const refused = { state: 'refused', code: 'changed', message: '', targets: encodeNumberSet([2]) } as const;
  const entry: StatesEntry = { t: 'states', atMs: 2, changes: [refused] };
  const sender = new DeliverySender({
    ...{ bus, keyList: () => 'list', tracer: NO_TRACER, metrics: deliveryMetrics(createMetrics('command')) },
    directory: { byNum: (num) => ({ num, agentId: `agent-${num}` }) as never },
    routes: {
      of: (_org, endpoints) => {
        command.fold.apply(entry);
        return Promise.resolve(new Map(endpoints.map(({ num }) => [num, { gateway, mode: 'live' as const }])));
      },
    },
    trees: { of: () => Promise.resolve({ proof: () => new Uint8Array() } as never) },
  });
  await sender.deliver(command, new Map([1, 2, 3].map((number) => [number, undefined])));
  await new Promise((resolve) => setImmediate(resolve));
  expect(delivered).toEqual([1, 3]);
});
