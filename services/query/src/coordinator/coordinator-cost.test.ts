import { expect, test } from '@jest/globals';
import { encodeBusMessage, SUBJECTS, type GatewayUpdate } from '@muster/messages';
import { encodeCbor } from '@muster/protocol';
import { AnswerBlockWriter, encodeNumberSet, GroupBlockWriter, type ResultForm } from '@muster/records';
import { CoordinatorHarness } from '../testing/coordinator-harness.js';

const ENDPOINTS = 15_000;
const UPDATE_BYTES = 256 * 1024;
const NOTHING = new Uint8Array(0);
const nothing = { answered: NOTHING, empty: NOTHING, failures: [], answers: NOTHING, groups: NOTHING };

/** Different answers of about 140 bytes, four packages each; most rows are in many of them. */
const ANSWERS = Array.from({ length: 280 }, (_, num) =>
  Buffer.concat(
    Array.from({ length: 4 }, (_row, i) =>
      encodeCbor([`package-${(num + i) % 40}`, `1.2.${num % 7}-ubuntu`, 'amd64 deb']),
    ),
  ),
);
const rowsOf = (num: number): Uint8Array => ANSWERS[num % ANSWERS.length] ?? NOTHING;

function updates(mode: ResultForm, gateway: string, nums: number[]): GatewayUpdate[] {
  const base = { query: '' as never, gateway: gateway as never };
  const all: GatewayUpdate[] = [{ ...base, t: 'targeted', seq: 0, joined: false, targets: encodeNumberSet(nums) }];
  const partial = (content: object, settled: boolean): void => {
    all.push({ ...base, t: 'partial', seq: all.length, more: false, settled, ...nothing, ...content });
  };
  if (mode === 'raw') {
    let block = new AnswerBlockWriter();
    for (const num of nums) {
      block.add(num, rowsOf(num));
      if (block.byteLength < UPDATE_BYTES && num !== nums.at(-1)) continue;
      partial({ answers: block.bytes() }, num === nums.at(-1));
      block = new AnswerBlockWriter();
    }
    return all;
  }
  // As a gateway does: partials every 100 ms or so, each with all its distinct rows.
  const third = Math.ceil(nums.length / 3);
  for (let at = 0; at < nums.length; at += third) {
    const part = nums.slice(at, at + third);
    const groups = new GroupBlockWriter();
    for (let i = 0; i < 280; i += 1) {
      const row = encodeCbor([`package-${i % 40}`, `1.2.${i % 7}-ubuntu`, 'amd64 deb']);
      groups.add(0, { row, endpoints: part.length / 70, copies: part.length / 70, sample: part.slice(0, 10) });
    }
    partial({ answered: encodeNumberSet(part), groups: groups.bytes() }, at + third >= nums.length);
  }
  return all;
}

async function measure(mode: ResultForm): Promise<number> {
  const harness = await new CoordinatorHarness({
    maxQueuedBytes: 2 ** 26,
    maxResultBytes: 2 ** 30,
    maxGroups: 200_000,
    maxGroupBytes: 2 ** 27,
  }).open();
  const nums = Array.from({ length: ENDPOINTS }, (_, i) => i + 1);
  harness.lease('gw-a');
  harness.lease('gw-b');
  const query = harness.record({ mode, columns: ['name', 'version', 'arch'] });
  const messages = [
    ...updates(
      mode,
      'gw-a',
      nums.filter((num) => num % 2 === 0),
    ),
    ...updates(
      mode,
      'gw-b',
      nums.filter((num) => num % 2 === 1),
    ),
  ].map((update) => encodeBusMessage({ ...update, query: query.id }));
  const cpu = process.cpuUsage();
  await harness.coordinator.launch(query);
  const running = harness.coordinator.get(query.id);
  for (const message of messages)
    harness.connection.bus.publish(SUBJECTS.coordinatorInbox(harness.coordinatorId), message);
  const ended = await running?.ended;
  const { user, system } = process.cpuUsage(cpu);
  if (ended?.ledger.answered !== ENDPOINTS) throw new Error(`${ended?.ledger.answered} of ${ENDPOINTS} answered`);
  await harness.close();
  return (user + system) / 1_000;
}

// Everything is encoded as on the bus; the broker is in memory, so that only the coordinator's own work counts. Measured on an idle
// core: about 20 ms for groups and 30 ms for raw. The bounds leave room for a busy machine; they detect additional work per answer.
test.each([
  ['group', 120],
  ['raw', 240],
] as const)('fifteen thousand answers cost their coordinator little: %s', async (mode, boundMs) => {
  const times: number[] = [];
  for (let i = 0; i < 6; i += 1) times.push(await measure(mode));
  expect(Math.min(...times)).toBeLessThan(boundMs);
});
