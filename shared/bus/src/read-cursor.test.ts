import { describe, expect, it } from '@jest/globals';
import type { StreamInfo } from '@nats-io/jetstream';
import { ReadCursor } from './read-cursor.js';
import type { Entry, ReadOptions } from './stream-store.js';

const found = (created = 'monday') => ({ created }) as StreamInfo;
const entry = (seq: number, pending = 0): Entry => ({
  ...{ seq, pending },
  subject: 's',
  data: new Uint8Array(),
  timestampMs: 0,
});

interface Opening {
  readonly newestSeq: number;
  readonly counted: number;
  readonly isSkipping?: boolean;
  readonly lastSeq?: number;
}

function opened({ newestSeq, counted, isSkipping = false, lastSeq = 100 }: Opening, options: ReadOptions = {}) {
  const cursor = new ReadCursor('S', options);
  cursor.open(found(), newestSeq);
  cursor.announce(counted, isSkipping, lastSeq);
  return cursor;
}

describe('a reader of a part of a stream', () => {
  it('does not end because the server counts nothing more', () => {
    const cursor = opened({ newestSeq: 30, counted: 1 });
    cursor.take([entry(10)]);
    expect(cursor.judge(entry(10, 0), 1)).toBe('more');
    expect(cursor.judgeIdle({ upToSeq: 29 }, 1)).toBe('more');
    expect(cursor.judge(entry(30, 7), 2)).toBe('complete');
  });

  it('ends when the server has looked behind the newest entry, which was removed', () => {
    expect(opened({ newestSeq: 30, counted: 2 }).judgeIdle({ upToSeq: 30 }, 1)).toBe('complete');
  });

  it('has nothing to read only where the index and the count of the server agree', () => {
    expect(opened({ newestSeq: 0, counted: 0 }).isEmpty).toBe(true);
    expect(opened({ newestSeq: 30, counted: 0 }, { fromSeq: 31 }).isEmpty).toBe(true);
    expect(opened({ newestSeq: 30, counted: 0 }).isEmpty).toBe(false);
    const doubtful = opened({ newestSeq: 0, counted: 2, lastSeq: 50 });
    expect(doubtful.isEmpty).toBe(false);
    expect(doubtful.judge(entry(10), 1)).toBe('more');
    expect(doubtful.judgeIdle({ upToSeq: 50 }, 2)).toBe('complete');
  });

  it('is at its end when a new consumer finds that all was read, or that what was left is gone', () => {
    for (const newestSeq of [30, 29]) {
      const cursor = opened({ newestSeq: 30, counted: 2 });
      cursor.take([entry(newestSeq)]);
      cursor.open(found(), newestSeq);
      cursor.announce(4, false, 200);
      expect(cursor.isEmpty).toBe(true);
    }
  });

  it('gives up with an error when consumer after consumer stops before the end', () => {
    const cursor = opened({ newestSeq: 30, counted: 2 });
    const until = (): string => {
      for (;;) {
        const judged = cursor.judgeIdle({ upToSeq: 20 }, 0);
        if (judged !== 'more') return judged;
      }
    };
    for (let n = 0; n < 3; n += 1) {
      expect(until()).toBe('gap');
      cursor.announce(2, false, 100);
    }
    expect(until).toThrow(expect.objectContaining({ name: 'StreamError', code: 'stalled' }));
  });

  it('goes on for as long as a new consumer gets further than those before it', () => {
    const cursor = opened({ newestSeq: 1_000, counted: 900 });
    const stall = (upToSeq: number): string => {
      for (;;) {
        const judged = cursor.judgeIdle({ upToSeq }, 0);
        if (judged !== 'more') return judged;
      }
    };
    for (let seq = 10; seq <= 500; seq += 10) {
      cursor.take([entry(seq)]);
      expect(stall(seq)).toBe('gap');
      cursor.announce(1, false, 1_000);
    }
    // It looks through entries that nobody wants.
    for (let seq = 501; seq < 600; seq += 1) expect(cursor.judgeIdle({ upToSeq: seq }, 0)).toBe('more');
    for (let seq = 600; seq < 900; seq += 100) {
      expect(stall(seq)).toBe('gap');
      cursor.announce(1, false, 1_000);
    }
    for (let n = 0; n < 2; n += 1) {
      expect(stall(700)).toBe('gap');
      cursor.announce(1, false, 1_000);
    }
    expect(() => stall(700)).toThrow(expect.objectContaining({ code: 'stalled' }));
  });

  it('that picks the newest entries begins again when fewer came than there were, and never calls that complete', () => {
    const cursor = opened({ newestSeq: 30, counted: 3, isSkipping: true });
    expect(cursor.judge(entry(30, 1), 2)).toBe('more');
    for (let n = 0; n < 3; n += 1) expect(cursor.judge(entry(30, 0), 2)).toBe('gap');
    const { code, message } = { code: 'stalled', message: expect.stringMatching(/brought 2 of 3 newest entries/) };
    expect(() => cursor.judge(entry(30, 0), 2)).toThrow(expect.objectContaining({ code, message }));
    expect(opened({ newestSeq: 30, counted: 2, isSkipping: true }).judge(entry(30, 0), 2)).toBe('complete');
  });

  it('is told when the stream is another one', () => {
    const cursor = opened({ newestSeq: 30, counted: 2 });
    expect(() => cursor.open(found('tuesday'), 30)).toThrow(expect.objectContaining({ code: 'stream_reset' }));
  });
});
