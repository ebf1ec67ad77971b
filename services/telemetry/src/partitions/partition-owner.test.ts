import { expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { METRICS_PARTITIONS } from '@muster/host-metrics';
import { SUBJECTS } from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { PartitionOwner } from './partition-owner.js';

function start() {
  const clock = new FakeClock();
  const broker = new MemoryBroker();
  const instances = { isCurrent: true, owns: (_key: string): boolean => true };
  const samples: number[] = [];
  const taken: number[] = [];
  const lost: number[] = [];
  const asks: string[] = [];
  const wanted: GatewayId[] = ['g1' as GatewayId];
  const owner = new PartitionOwner({
    ...{ bus: broker.connect().bus, clock, logger: silentLogger, instance: 't1', instances },
    haveAllAnswered: (gateways) => wanted.every((id) => gateways.has(id)),
    onSamples: (partition) => samples.push(partition),
    onRequest: () => undefined,
    onTaken: (partitions, ask) => {
      taken.push(...partitions);
      asks.push(ask);
    },
    onLost: (partitions) => lost.push(...partitions),
  });
  owner.start();
  const { bus } = broker.connect();
  const publish = (partition: number) => bus.publish(SUBJECTS.samples(partition), new Uint8Array([1]));
  const answer = (gateway: string, ask: string | undefined, not = -1): void => {
    for (const each of owner.partitions) if (each !== not) owner.answered(each, gateway as GatewayId, [ask ?? '']);
  };
  return { clock, instances, owner, samples, taken, lost, publish, asks, wanted, answer };
}

test('it owns nothing until it has heard of the others, then subscribes and asks for keyframes, three times', async () => {
  const { clock, owner, samples, taken, publish, answer, asks } = start();
  await clock.advanceAsync(1_400);
  expect(owner.partitions).toEqual([]);
  await clock.advanceAsync(600);
  expect([owner.partitions.length, taken.length]).toEqual([METRICS_PARTITIONS, METRICS_PARTITIONS]);
  expect(owner.filling).toEqual(owner.partitions);
  publish(7);
  await clock.advanceAsync(0);
  expect(samples).toEqual([7]);
  answer('g1', asks.at(-1));
  await clock.advanceAsync(20_000);
  expect([taken.length, owner.filling]).toEqual([3 * METRICS_PARTITIONS, []]);
  owner.stop();
  expect(owner.partitions).toEqual([]);
});

test('a partition fills until every gateway has answered what was asked since it was taken, however long that is', async () => {
  const { clock, instances, owner, asks, wanted, taken, answer } = start();
  wanted.push('g2' as GatewayId);
  await clock.advanceAsync(2_000);
  answer('g1', asks.at(-1));
  await clock.advanceAsync(60_000);
  expect(owner.filling).toEqual(owner.partitions);
  expect(taken.length).toBeGreaterThan(10 * METRICS_PARTITIONS);
  answer('g2', asks.at(-1), 5);
  expect(owner.filling).toEqual([5]);
  owner.answered(5, 'g2' as GatewayId, [asks.at(-1) as string]);
  expect(owner.filling).toEqual([]);
  // It did not hear the bus.
  const before = asks.at(-1);
  instances.isCurrent = false;
  await clock.advanceAsync(1_000);
  instances.isCurrent = true;
  await clock.advanceAsync(2_000);
  for (const gateway of wanted) answer(gateway, before);
  expect(owner.filling).toHaveLength(METRICS_PARTITIONS);
  for (const gateway of wanted) answer(gateway, asks.at(-1));
  expect(owner.filling).toEqual([]);
  owner.stop();
});

test('while the others may take it for gone it owns nothing, and samples that waited meanwhile are not counted', async () => {
  const { clock, instances, owner, samples, lost, publish } = start();
  await clock.advanceAsync(2_000);
  publish(3);
  // It stood still: no timer ran, and the sample is read first.
  instances.isCurrent = false;
  await clock.advanceAsync(0);
  expect([samples, owner.partitions, lost.length]).toEqual([[], [], METRICS_PARTITIONS]);
  instances.isCurrent = true;
  await clock.advanceAsync(1_000);
  expect(owner.partitions).toEqual([]);
  await clock.advanceAsync(1_000);
  expect(owner.partitions).toHaveLength(METRICS_PARTITIONS);
  owner.stop();
});

test('a partition that another instance owns now is given up at once, and the others stay', async () => {
  const { clock, instances, owner, samples, lost, publish } = start();
  await clock.advanceAsync(2_000);
  instances.owns = (key) => key !== 'p5';
  owner.check();
  expect([lost, owner.owns(5), owner.partitions.length]).toEqual([[5], false, METRICS_PARTITIONS - 1]);
  publish(5);
  publish(6);
  await clock.advanceAsync(0);
  expect(samples).toEqual([6]);
  owner.stop();
});
