import { beforeEach, describe, expect, test } from '@jest/globals';
import type { RequestResult } from '@muster/bus';
import { decodeServiceMessage, encodeBusMessage, type RequestTerms, type ServiceMessage } from '@muster/messages';
import { FakeClock } from '@muster/runtime/testing';
import { ServiceInstances, type InstanceHeartbeat } from './service-instances.js';
import { ServiceAsker, type AskOptions } from './service-asker.js';

const REQUEST = { t: 'compile' } as unknown as ServiceMessage;
/** The clock of every service in these tests is this far from the asker's. */
const SKEW_MS = -7_000_000;

let clock: FakeClock;
let beat: (heartbeat: Partial<InstanceHeartbeat> & { id: string }) => void;
let asker: ServiceAsker;
let sent: { subject: string; terms: RequestTerms; answer: (result: RequestResult) => void }[];
let automatic: Map<string, RequestResult>;

const replyOf = (text: string): RequestResult => ({ kind: 'reply', data: Buffer.from(text) });
const DRAINING: RequestResult = {
  kind: 'reply',
  data: encodeBusMessage({ t: 'problem', code: 'draining', message: 'it stops', details: {} }),
};

beforeEach(() => {
  clock = new FakeClock(1_700_000_000_000);
  sent = [];
  automatic = new Map();
  const instances = new ServiceInstances(clock);
  beat = (heartbeat) => instances.heard({ stopping: false, nowMs: clock.now() + SKEW_MS, ...heartbeat });
  const request = (subject: string, data: Uint8Array, { timeoutMs }: { timeoutMs: number }) =>
    new Promise<RequestResult>((resolve) => {
      const timer = clock.setTimeout(() => resolve({ kind: 'timeout' }), timeoutMs);
      const answer = (result: RequestResult): void => {
        clock.clear(timer);
        resolve(result);
      };
      const terms = decodeServiceMessage<ServiceMessage & RequestTerms>(data);
      sent.push({ subject, terms, answer });
      const known = automatic.get(subject);
      if (known !== undefined) answer(known);
    });
  asker = new ServiceAsker({ bus: { request }, clock, instances, group: 'any', subjectOf: (id) => `one.${id}` });
});

const ask = (options: AskOptions = { timeoutMs: 10_000 }): Promise<RequestResult> =>
  asker.ask((terms) => encodeBusMessage({ ...REQUEST, ...terms } as ServiceMessage), options);
const subjects = (): string[] => sent.map(({ subject }) => subject);

/** Time passes; these instances are heard every second. */
async function pass(ms: number, ...live: string[]): Promise<void> {
  for (let past = 0; past < ms; past += 250) {
    if (past % 1_000 === 0) for (const id of live) beat({ id });
    await clock.advanceAsync(250);
  }
}

describe('a request to a service', () => {
  test('goes to an instance that is heard, once, with a deadline on the clock of that instance', async () => {
    beat({ id: 'a' });
    clock.advance(400);
    automatic.set('one.a', replyOf('done'));
    expect(await ask({ timeoutMs: 12_000, beginMs: 10_000 })).toEqual(replyOf('done'));
    expect(subjects()).toEqual(['one.a']);
    expect(sent[0]?.terms.expiresAtMs).toBe(clock.now() + SKEW_MS + 10_000);
  });

  test('goes to the queue group while no instance is known, and when those that were have fallen silent', async () => {
    automatic.set('any', replyOf('done'));
    await ask();
    beat({ id: 'a' });
    beat({ id: 'old', nowMs: undefined as never });
    clock.advance(5_000);
    await ask();
    expect(subjects()).toEqual(['any', 'any']);
    // Whoever of them goes on first drops what nobody waits for any more.
    expect(sent.map(({ terms }) => terms.expiresAtMs)).toEqual([undefined, clock.now() + SKEW_MS + 10_000]);
    expect(sent[0]?.terms.expiresAtMs).toBeUndefined();
  });

  test('goes to the instance that was heard last while all heartbeats are late', async () => {
    beat({ id: 'a' });
    clock.advance(500);
    beat({ id: 'b' });
    clock.advance(3_000);
    automatic.set('one.b', replyOf('done'));
    expect(await ask()).toEqual(replyOf('done'));
    expect(subjects()).toEqual(['one.b']);
  });

  test('goes from the queue group, which may hold one that stands still, to an instance that is heard', async () => {
    const asked = ask();
    await pass(250, 'a');
    await pass(1_500, 'a');
    expect(subjects()).toEqual(['any', 'one.a']);
    sent[1]?.answer(replyOf('done'));
    await pass(250);
    expect(await asked).toEqual(replyOf('done'));
  });

  test('goes to another instance within two seconds when the first falls silent, and the first answer counts', async () => {
    beat({ id: 'a' });
    const asked = ask();
    await pass(250);
    beat({ id: 'b' });
    await pass(1_500, 'b');
    expect(subjects()).toEqual(['one.a', 'one.b']);
    sent[0]?.answer(replyOf('late, but first'));
    await pass(250);
    expect(await asked).toEqual(replyOf('late, but first'));
  });

  test('waits for an instance that is heard, however long it takes', async () => {
    beat({ id: 'a' });
    const asked = ask();
    beat({ id: 'b' });
    await pass(9_000, 'a', 'b');
    expect(subjects()).toEqual(['one.a']);
    sent[0]?.answer(replyOf('at last'));
    await pass(250);
    expect(await asked).toEqual(replyOf('at last'));
  });

  test('is not repeated while nobody is heard: then it is the broker that stands still', async () => {
    beat({ id: 'a' });
    beat({ id: 'b' });
    const asked = ask();
    await pass(10_250);
    expect(await asked).toEqual({ kind: 'timeout' });
    expect(sent).toHaveLength(1);
  });

  test('is given up early, where that is allowed, while nobody that was asked is heard', async () => {
    beat({ id: 'a' });
    let result: RequestResult | undefined;
    void ask({ timeoutMs: 12_000, silentMs: 5_000 }).then((settled) => (result = settled));
    await pass(4_750);
    expect(result).toBeUndefined();
    await pass(500);
    expect(result).toEqual({ kind: 'timeout' });
    expect(subjects()).toEqual(['one.a']);
  });

  test('is not given up early while the instance that works on it, or another that can, is heard', async () => {
    beat({ id: 'a' });
    const asked = ask({ timeoutMs: 12_000, silentMs: 5_000 });
    await pass(9_000, 'a');
    await pass(1_500, 'b');
    expect(subjects()).toEqual(['one.a', 'one.b']);
    sent[1]?.answer(replyOf('at last'));
    await pass(250);
    expect(await asked).toEqual(replyOf('at last'));
  });

  test('goes on at once when nobody listens there any more, or who listens stops', async () => {
    beat({ id: 'a' });
    automatic.set('one.a', { kind: 'no_responders' }).set('one.b', DRAINING).set('any', replyOf('done'));
    expect(await ask()).toEqual(replyOf('done'));
    expect(subjects()).toEqual(['one.a', 'any']);
    beat({ id: 'b' });
    expect(await ask()).toEqual(replyOf('done'));
    expect(subjects().slice(2)).toEqual(['one.b', 'any']);
    automatic.set('any', { kind: 'no_responders' });
    expect(await ask()).toEqual({ kind: 'no_responders' });
  });

  test('is not sent to an instance that has said that it stops, nor to one that is excepted', async () => {
    beat({ id: 'a' });
    beat({ id: 'b' });
    beat({ id: 'a', stopping: true });
    automatic.set('one.b', replyOf('b')).set('any', replyOf('any'));
    for (let n = 0; n < 5; n += 1) expect(await ask()).toEqual(replyOf('b'));
    expect(await ask({ timeoutMs: 1_000, except: ['b'] })).toEqual(replyOf('any'));
  });
});

test('an instance that was silent is asked again when it has been heard for five seconds, while there is another', async () => {
  automatic.set('one.a', replyOf('a')).set('one.b', replyOf('b'));
  await pass(6_000, 'a', 'b');
  await pass(4_000, 'b');
  const asked = async (): Promise<Set<string>> => {
    sent = [];
    for (let n = 0; n < 30; n += 1) await ask();
    return new Set(subjects());
  };
  await pass(4_000, 'a', 'b');
  expect(await asked()).toEqual(new Set(['one.b']));
  await pass(1_500, 'a', 'b');
  expect(await asked()).toEqual(new Set(['one.a', 'one.b']));
});

test('one instance alone is asked until it falls silent', async () => {
  beat({ id: 'a' });
  const asked = asker.askInstance('a', 'own.a', () => encodeBusMessage(REQUEST as never), { timeoutMs: 5_000 });
  beat({ id: 'b' });
  await pass(2_000, 'b');
  expect(await asked).toEqual({ kind: 'silent' });
  expect(subjects()).toEqual(['own.a']);
});
