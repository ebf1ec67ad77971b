import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { EMPTY_LEDGER } from '@muster/protocol';
import { EnoughMonitor, parseUntil } from './until.js';

describe('--until', () => {
  test('is a share, a number of answers, or a silence', () => {
    expect(parseUntil('99%')).toEqual({ kind: 'share', share: 0.99 });
    expect(parseUntil('99.5%')).toEqual({ kind: 'share', share: 0.995 });
    expect(parseUntil('500')).toEqual({ kind: 'count', count: 500 });
    expect(parseUntil('10s-quiet')).toEqual({ kind: 'quiet', quietMs: 10_000 });
    for (const text of ['', '0', '0%', '101%', '-5', '1.5', '10s', 'quiet', '99 %'])
      expect(() => parseUntil(text)).toThrow(`--until ${text} is none`);
  });
});

describe('a viewer has enough', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  const monitor = (text: string) => {
    const seen = { enough: 0 };
    const enough = new EnoughMonitor(parseUntil(text), () => (seen.enough += 1));
    const see = (counts: Partial<typeof EMPTY_LEDGER>) => enough.see({ ...EMPTY_LEDGER, ...counts });
    return { see, seen };
  };

  test('when so many have answered', () => {
    const { see, seen } = monitor('2');
    see({ targeted: 5, waiting: 3, answered: 1, error: 1 });
    expect(seen.enough).toBe(0);
    see({ targeted: 5, waiting: 2, answered: 1, empty: 1, error: 1 });
    expect(seen.enough).toBe(1);
  });

  test('when this share has ended, and no gateway says meanwhile that it asked more', () => {
    const { see, seen } = monitor('50%');
    see({ targeted: 2, answered: 2 });
    jest.advanceTimersByTime(499);
    see({ targeted: 10, waiting: 8, answered: 2 });
    jest.advanceTimersByTime(5_000);
    expect(seen.enough).toBe(0);
    see({ targeted: 10, waiting: 5, answered: 4, error: 1 });
    jest.advanceTimersByTime(500);
    expect(seen.enough).toBe(1);
  });

  test('of a hunt, endpoints that are away count too', () => {
    const { see, seen } = monitor('50%');
    see({ targeted: 2, answered: 2, away: 8 });
    jest.advanceTimersByTime(5_000);
    expect(seen.enough).toBe(0);
  });

  test('when nobody has ended for so long, also where nobody has at all', () => {
    const silent = monitor('10s-quiet');
    silent.see({ targeted: 3, waiting: 3 });
    jest.advanceTimersByTime(9_000);
    silent.see({ targeted: 3, waiting: 3 });
    expect(silent.seen.enough).toBe(0);
    jest.advanceTimersByTime(1_000);
    expect(silent.seen.enough).toBe(1);
    const { see, seen } = monitor('10s-quiet');
    see({ targeted: 3, waiting: 3 });
    jest.advanceTimersByTime(9_000);
    see({ targeted: 3, waiting: 2, answered: 1 });
    jest.advanceTimersByTime(9_000);
    see({ targeted: 3, waiting: 1, answered: 2 });
    jest.advanceTimersByTime(9_000);
    see({ targeted: 3, waiting: 1, answered: 2 });
    expect(seen.enough).toBe(0);
    jest.advanceTimersByTime(1_000);
    expect(seen.enough).toBe(1);
  });
});
