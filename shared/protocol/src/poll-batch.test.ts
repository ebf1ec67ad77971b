import { describe, expect, it } from '@jest/globals';
import { encodeFrame, FRAME } from './frames.js';
import { LIMITS } from './limits.js';
import { decodeBatch, encodeBatch } from './poll-batch.js';

const frameOf = (bytes: number): Uint8Array => encodeFrame(FRAME.rows, 7, new Uint8Array(bytes).fill(3));

describe('a batch of frames', () => {
  it('comes back as it was, ages too', () => {
    const frames = [
      { frame: frameOf(0), ageMs: 0 },
      { frame: frameOf(300), ageMs: 61_000 },
    ];
    expect(decodeBatch(encodeBatch(frames))).toEqual(frames);
    expect(decodeBatch(new Uint8Array())).toEqual([]);
  });

  it('has length and age before each frame, big-endian', () => {
    const batch = encodeBatch([{ frame: frameOf(1), ageMs: 258 }]);
    expect(Buffer.from(batch).toString('hex')).toBe('0000000900000102' + '9000000000000007' + '03');
  });

  it('keeps ages within 32 bits', () => {
    const ages = [-5, 1.6, 2 ** 40].map(
      (ageMs) => decodeBatch(encodeBatch([{ frame: frameOf(0), ageMs }]))?.[0]?.ageMs,
    );
    expect(ages).toEqual([0, 2, 0xffff_ffff]);
  });

  it('is refused when it is cut, at any byte that is no end of a frame', () => {
    const batch = encodeBatch([
      { frame: frameOf(5), ageMs: 1 },
      { frame: frameOf(9), ageMs: 2 },
    ]);
    const whole = [0, 21, batch.length];
    for (let end = 0; end <= batch.length; end += 1) {
      expect([end, decodeBatch(batch.subarray(0, end)) !== undefined]).toEqual([end, whole.includes(end)]);
    }
  });

  it('may have as many bytes and frames as the limits say, and none more', () => {
    const ofBytes = (bytes: number) => encodeBatch([{ frame: frameOf(bytes - 16), ageMs: 0 }]);
    expect(decodeBatch(ofBytes(LIMITS.pollBodyBytes))).toHaveLength(1);
    expect(decodeBatch(ofBytes(LIMITS.pollBodyBytes + 1))).toBeUndefined();
    const ofFrames = (count: number) =>
      encodeBatch(Array.from({ length: count }, () => ({ frame: frameOf(0), ageMs: 0 })));
    expect(decodeBatch(ofFrames(LIMITS.pollFrames))).toHaveLength(LIMITS.pollFrames);
    expect(decodeBatch(ofFrames(LIMITS.pollFrames + 1))).toBeUndefined();
  });

  it('is refused with an entry that is too short for a frame, or over the limit', () => {
    expect(decodeBatch(Uint8Array.from([0, 0, 0, 2, 0, 0, 0, 0, 1, 2]))).toBeUndefined();
    expect(decodeBatch(new Uint8Array(LIMITS.pollBodyBytes + 1))).toBeUndefined();
  });
});
