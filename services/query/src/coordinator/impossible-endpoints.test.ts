import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { ServiceHarness } from '../testing/service-harness.js';

let harness: ServiceHarness;
beforeAll(async () => {
  harness = await ServiceHarness.open();
});
afterAll(() => harness.close());

test('a gateway that names endpoints which cannot be enrolled adds nobody to a query or a hunt, and the log names it', async () => {
  const gateway = await harness.gateway([1, 2, 30_000_000, 2 ** 45]);
  const service = await harness.startService();
  const query = await harness.start({ mode: 'raw' });
  await eventually(() => gateway.starts.length === 1, 'the start of the query');
  gateway.answer(1, 2, 30_000_000);
  const ended = await harness.ended(query);
  expect(ended).toMatchObject({ state: 'complete', rows: 2, ledger: { targeted: 2, answered: 2 } });
  expect((await service.process.printed(/"gateway":"([^"]+)"[^\n]*cannot be enrolled/))[1]).toBe(gateway.id);

  const hunt = await harness.start({ mode: 'raw', waitUntilMs: Date.now() + 3_600_000, standing: true });
  await eventually(() => gateway.starts.length === 2, 'the start of the hunt');
  gateway.answer(1, 30_000_001);
  await eventually(async () => (await harness.storedRecord(hunt)).found, 'the record says what is found');
  expect((await harness.storedRecord(hunt)).ledger).toMatchObject({ targeted: 2, answered: 1 });
});
