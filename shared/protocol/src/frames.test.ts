import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeHeader, encodeFrame, FLAG_FINAL, FRAME, frameBody, HEADER_BYTES } from './frames.js';

const types = fc.constantFrom(...Object.values(FRAME));
const refs = fc.integer({ min: 0, max: 0xffff_ffff });

describe('frames', () => {
  it('give back type, ref and body', () => {
    fc.assert(
      fc.property(types, refs, fc.uint8Array({ maxLength: 300 }), (type, ref, body) => {
        const frame = encodeFrame(type, ref, body);
        expect(decodeHeader(frame)).toEqual({ type, flags: 0, ref });
        expect(frameBody(frame)).toEqual(body);
        expect(frame.length).toBe(HEADER_BYTES + body.length);
      }),
    );
  });

  it('have one flag, on ROWS and HISTORY only', () => {
    for (const type of Object.values(FRAME)) {
      for (let flags = 1; flags < 256; flags += 1) {
        const header = decodeHeader(encodeFrame(type, 1, new Uint8Array(), flags));
        const isAllowed = (type === FRAME.rows || type === FRAME.history) && flags === FLAG_FINAL;
        expect(header === undefined).toBe(!isAllowed);
      }
    }
  });

  it('have zero in the bytes that mean nothing yet', () => {
    for (const at of [2, 3]) {
      const frame = encodeFrame(FRAME.report, 0, new Uint8Array());
      frame[at] = 1;
      expect(decodeHeader(frame)).toBeUndefined();
    }
  });

  it('are of known types only', () => {
    const known = new Set<number>(Object.values(FRAME));
    for (let type = 0; type < 256; type += 1) {
      expect(decodeHeader(encodeFrame(type as never, 0, new Uint8Array())) !== undefined).toBe(known.has(type));
    }
  });

  it('are never read from fewer bytes than a header has', () => {
    const frame = encodeFrame(FRAME.hello, 0, new Uint8Array());
    for (let length = 0; length < HEADER_BYTES; length += 1) {
      expect(decodeHeader(frame.subarray(0, length))).toBeUndefined();
    }
  });

  it('never throw on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const header = decodeHeader(bytes);
        if (header !== undefined) {
          expect(encodeFrame(header.type, header.ref, frameBody(bytes), header.flags)).toEqual(bytes);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('give a view of the body, not a copy', () => {
    const frame = encodeFrame(FRAME.rows, 1, Uint8Array.of(1, 2, 3));
    frame[HEADER_BYTES] = 9;
    expect(frameBody(frame)[0]).toBe(9);
  });
});
