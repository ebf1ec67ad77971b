import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { CircuitBreaker } from './circuit-breaker.js';

let clock: FakeClock;
let breaker: CircuitBreaker;
let probes: string[];
let probe: () => Promise<unknown>;
const never = (): Promise<never> => new Promise(() => undefined);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const reply = (): Error => Object.assign(new Error('WRONGTYPE'), { name: 'ReplyError' });

beforeEach(() => {
  clock = new FakeClock();
  probes = [];
  probe = never;
  breaker = new CircuitBreaker({
    ...{ clock, silenceMs: 1_000, probeEveryMs: 500 },
    probe: (circuit) => {
      probes.push(circuit);
      return probe();
    },
  });
});

async function pass(ms: number): Promise<void> {
  await turn();
  clock.advance(ms);
  await turn();
}

describe('a circuit', () => {
  it('on which nothing is heard opens after a second, for those who wait and those who come', async () => {
    const waiting = Promise.allSettled([breaker.run('a', never), breaker.run('a', never)]);
    await pass(999);
    expect(breaker.isOpen).toBe(false);
    await pass(1);
    expect((await waiting).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    let sent = 0;
    await expect(breaker.run('a', () => Promise.resolve((sent += 1)))).rejects.toThrow('does not answer');
    expect([sent, breaker.isOpen, probes]).toEqual([0, true, ['a']]);
    await expect(breaker.run('b', () => Promise.resolve('other'))).resolves.toBe('other');
  });

  it('stays closed while anything is heard, also an error that is an answer', async () => {
    void breaker.run('a', never).catch(() => undefined);
    for (let n = 0; n < 5; n += 1) {
      await pass(800);
      await expect(breaker.run('a', () => Promise.reject(reply()))).rejects.toThrow('WRONGTYPE');
    }
    expect(breaker.isOpen).toBe(false);
  });

  it('opens although the client fails by itself meanwhile', async () => {
    void breaker.run('a', never).catch(() => undefined);
    await pass(800);
    await expect(breaker.run('a', () => Promise.reject(new Error('closed')))).rejects.toThrow('closed');
    await pass(200);
    expect(breaker.isOpen).toBe(true);
  });

  it('closes when a probe is answered, and is tried until then', async () => {
    void breaker.run('a', never).catch(() => undefined);
    await pass(1_000);
    await pass(500);
    probe = () => Promise.reject(new Error('closed'));
    await pass(500);
    expect([probes.length, breaker.isOpen]).toEqual([3, true]);
    probe = () => Promise.reject(reply());
    await pass(500);
    expect(breaker.isOpen).toBe(false);
    await expect(breaker.run('a', () => Promise.resolve(1))).resolves.toBe(1);
  });

  it('whose calls are answered is not watched, and one that is stopped neither', async () => {
    await breaker.run('a', () => Promise.resolve(1));
    await pass(5_000);
    void breaker.run('b', never).catch(() => undefined);
    breaker.stop();
    await pass(5_000);
    expect([breaker.isOpen, probes]).toEqual([false, []]);
  });
});
