import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AnswerBlockWriter, GroupBlockWriter } from './blocks.js';
import { readAnswerBlock, readGroupBlock } from './blocks.js';

const num = fc.nat({ max: 2 ** 31 - 1 });
const bytes = fc.uint8Array({ maxLength: 300 });

describe('an answer block', () => {
  it('returns its answers in order, empty ones too', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ num, rows: bytes })), (answers) => {
        const writer = new AnswerBlockWriter();
        for (const answer of answers) writer.add(answer.num, answer.rows);
        expect([...readAnswerBlock(writer.bytes())]).toEqual(answers);
        expect(writer.byteLength).toBe(writer.bytes().length);
      }),
    );
  });

  it('that is cut off within an answer is a range error', () => {
    const writer = new AnswerBlockWriter();
    writer.add(7, new Uint8Array(100));
    expect(() => [...readAnswerBlock(writer.bytes().subarray(0, 50))]).toThrow(RangeError);
  });
});

describe('a group block', () => {
  it('returns its groups in order', () => {
    const group = fc.record({
      index: num,
      endpoints: num,
      copies: num,
      sample: fc.array(num, { maxLength: 10 }),
      row: bytes,
    });
    fc.assert(
      fc.property(fc.array(group), (groups) => {
        const writer = new GroupBlockWriter();
        for (const { index, ...rest } of groups) writer.add(index, rest);
        expect([...readGroupBlock(writer.bytes())]).toEqual(groups);
      }),
    );
  });

  it('of random bytes makes the reader throw nothing but a range error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (junk) => {
        try {
          for (const { row } of readGroupBlock(junk)) expect(row.length).toBeLessThanOrEqual(junk.length);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
