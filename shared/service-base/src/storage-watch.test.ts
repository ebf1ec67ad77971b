import { afterEach, expect, test } from '@jest/globals';
import type { MemoryResult } from '@muster/registry';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { StorageWatch } from './storage-watch.js';

let watch: StorageWatch | undefined;
afterEach(() => watch?.stop());

async function ratio(
  limits: { readonly limitBytes?: number; readonly replicas?: number },
  storage: { readonly usedBytes: number; readonly limitBytes: number | undefined },
): Promise<string> {
  const [clock, metrics] = [new FakeClock(), createMetrics('query')];
  watch = new StorageWatch({
    ...{ clock, metrics, logger: silentLogger, limitBytes: undefined, ...limits },
    streams: { storage: () => Promise.resolve({ ...storage, streams: new Map(), bounds: new Map() }) },
    registry: { memory: () => Promise.resolve({ kind: 'memory', usedBytes: 1, limitBytes: undefined }) },
  });
  watch.start();
  await clock.advanceAsync(0);
  const text = await metrics.registry.metrics();
  expect(text).toMatch(/^muster_query_registry_memory_fill_ratio NaN$/im);
  return /^muster_query_broker_storage_fill_ratio (\S+)$/m.exec(text)?.[1] ?? '';
}

test('the share is that of each server: a cluster counts every copy', async () => {
  expect(await ratio({ limitBytes: 1_000, replicas: 3 }, { usedBytes: 2_400, limitBytes: undefined })).toBe('0.8');
  expect(await ratio({ limitBytes: 1_000 }, { usedBytes: 800, limitBytes: undefined })).toBe('0.8');
});

test('an account with a limit tells it, for all copies', async () => {
  const limits = { limitBytes: 1_000, replicas: 3 };
  expect(await ratio(limits, { usedBytes: 2_400, limitBytes: 4_800 })).toBe('0.5');
});

test('a share that is not known is no number', async () => {
  expect(await ratio({}, { usedBytes: 2_400, limitBytes: undefined })).toMatch(/^nan$/i);
});

test('what cannot be asked any more is not told as it was', async () => {
  const [clock, metrics] = [new FakeClock(), createMetrics('query')];
  let isAway = false;
  const storage = { usedBytes: 600, limitBytes: 1_000, streams: new Map([['MUSTER_AUDIT', 1]]), bounds: new Map() };
  watch = new StorageWatch({
    ...{ clock, metrics, logger: silentLogger, limitBytes: undefined },
    streams: { storage: () => (isAway ? Promise.reject(new Error('timeout')) : Promise.resolve(storage)) },
    registry: {
      memory: (): Promise<MemoryResult> =>
        Promise.resolve(
          isAway ? { kind: 'unavailable', cause: new Error('away') } : { kind: 'memory', usedBytes: 1, limitBytes: 2 },
        ),
    },
  });
  const told = async (): Promise<(string | undefined)[]> => {
    const text = await metrics.registry.metrics();
    const of = (name: string) => new RegExp(`^muster_query_${name}(?:{.*})? (\\S+)$`, 'm').exec(text)?.[1];
    return ['broker_storage_bytes', 'broker_storage_fill_ratio', 'registry_memory_fill_ratio', 'stream_bytes'].map(of);
  };
  watch.start();
  await clock.advanceAsync(0);
  expect(await told()).toEqual(['600', '0.6', '0.5', '1']);
  isAway = true;
  await clock.advanceAsync(15_000);
  expect(await told()).toEqual(['Nan', 'Nan', 'Nan', undefined]);
});
