import { describe, expect, it } from '@jest/globals';
import { PARTS } from '../system/parts.js';
import { describeFault, parseFault, type Fault } from './fault.js';
import { schedule } from './schedule.js';

function first(seed: number, count: number): Fault[] {
  const faults = schedule(seed);
  return Array.from({ length: count }, () => faults.next().value);
}

describe('the schedule of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(first(7, 40)).toEqual(first(7, 40));
    expect(first(7, 40)).not.toEqual(first(8, 40));
  });

  it('kills and freezes each part alone before it repeats one, and strikes two different parts in every third fault', () => {
    const faults = first(3, 31);
    const alone = faults.filter(({ length }) => length === 1).map(([{ kind, part }]) => `${kind} ${part}`);
    for (const part of PARTS) expect(alone).toEqual(expect.arrayContaining([`kill ${part}`, `freeze ${part}`]));
    expect(new Set(alone).size).toBe(alone.length);
    const pairs = faults.filter(({ length }) => length === 2);
    expect(pairs).toHaveLength(10);
    for (const [one, other] of pairs) expect(one.part).not.toBe(other?.part);
  });

  it('can be given by hand, in the words in which it is printed', () => {
    const [nats, both] = [parseFault('freeze nats 20'), parseFault('kill query-1 + freeze redis 6')];
    expect([nats, both].map(describeFault)).toEqual(['freeze nats for 20 s', 'kill query-1 and freeze redis for 6 s']);
    expect(() => parseFault('kill query-9')).toThrow(/name one of gateway-1/);
    expect(() => parseFault('stop nats')).toThrow(/begin with one of drain, /);
  });
});
