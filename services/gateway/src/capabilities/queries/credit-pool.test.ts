import { describe, expect, it } from '@jest/globals';
import { CreditPool, type CreditTaker } from './credit-pool.js';

function taker(): CreditTaker & { readonly grants: number[] } {
  const grants: number[] = [];
  return { granted: 0, grants, grant: (bytes) => void grants.push(bytes) };
}

describe('CreditPool', () => {
  it('never grants more than its limit, and serves in the order of asking as memory becomes free', () => {
    const pool = new CreditPool({ limitBytes: 100, stepBytes: 40 });
    const [first, second, third, fourth] = [taker(), taker(), taker(), taker()];
    for (const one of [first, second, third, fourth]) pool.request(one);
    expect([first.grants, second.grants, third.grants, fourth.grants]).toEqual([[40], [40], [], []]);
    expect(pool.usedBytes).toBe(80);
    pool.release(second);
    expect([third.grants, fourth.grants]).toEqual([[40], []]);
    pool.release(first);
    expect(fourth.grants).toEqual([40]);
    pool.release(third);
    pool.release(fourth);
    expect(pool.usedBytes).toBe(0);
  });

  it('forgets a taker that gave up while it waited', () => {
    const pool = new CreditPool({ limitBytes: 40, stepBytes: 40 });
    const [first, second, third] = [taker(), taker(), taker()];
    for (const one of [first, second, third]) pool.request(one);
    pool.release(second);
    pool.release(first);
    expect([second.grants, third.grants]).toEqual([[], [40]]);
  });

  it('gives a first credit between a floor and a ceiling', () => {
    const pool = new CreditPool({ limitBytes: 256 * 1024 * 1024, stepBytes: 1 });
    expect(pool.initialFor(1)).toBe(256 * 1024);
    expect(pool.initialFor(5_000)).toBe(53_687);
    expect(pool.initialFor(1_000_000)).toBe(8 * 1024);
  });
});
