import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { RequestResult } from '@muster/bus';
import { encodeBusMessage, type PackChecksReply } from '@muster/messages';
import type { OrgId } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { PackSource } from './pack-source.js';

const BYTES = new Uint8Array([1, 2, 3]);
const PACK = { id: 'own', version: '1', hash: createHash('sha256').update(BYTES).digest('hex') };

/** A source whose requests are answered so, the last answer for all that follow; and how many there were. */
function sourceOf(...answers: readonly (PackChecksReply | 'no_responders')[]) {
  const clock = new FakeClock();
  const asked = { count: 0 };
  const request = (): Promise<RequestResult> => {
    const answer = answers[Math.min(asked.count, answers.length - 1)] ?? 'no_responders';
    asked.count += 1;
    const result = answer === 'no_responders' ? { kind: answer } : { kind: 'reply', data: encodeBusMessage(answer) };
    return Promise.resolve(result as RequestResult);
  };
  const logger = { warn: () => undefined };
  const source = new PackSource({ bus: { request }, clock, logger } as never);
  const checks = source.checksOf('acme' as OrgId, PACK as never);
  return { clock, asked, source, checks };
}

const GOOD: PackChecksReply = { t: 'pack_checks', bytes: BYTES };

test('while no posture service is there, it is asked for a minute: its endpoints wait', async () => {
  const { clock, checks, asked } = sourceOf(...Array<'no_responders'>(40).fill('no_responders'), GOOD);
  await clock.advanceAsync(20_500);
  expect(await checks).toEqual(BYTES);
  expect(asked.count).toBe(41);
});

test('without any for so long, the endpoints are told', async () => {
  const { clock, checks } = sourceOf('no_responders');
  await clock.advanceAsync(61_000);
  expect(await checks).toEqual(new Uint8Array());
});

test.each([
  ['does not have them', { t: 'pack_unknown' } as const],
  ['has others than were signed', { t: 'pack_checks', bytes: new Uint8Array([9]) } as const],
])('a posture service that %s is asked five times', async (_what, answer) => {
  const { clock, checks, asked } = sourceOf(answer);
  await clock.advanceAsync(3_000);
  expect(await checks).toEqual(new Uint8Array());
  expect(asked.count).toBe(5);
});

test('endpoints that ask at one moment, and later, are one request', async () => {
  const { source, checks, asked } = sourceOf(GOOD);
  const again = source.checksOf('acme' as OrgId, PACK as never);
  expect(await Promise.all([checks, again])).toEqual([BYTES, BYTES]);
  expect(await source.checksOf('acme' as OrgId, PACK as never)).toEqual(BYTES);
  expect(asked.count).toBe(1);
});
