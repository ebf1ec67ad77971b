import { describe, expect, it } from '@jest/globals';
import type { EventEmitter } from 'node:events';
import * as ws from 'ws';
import { encodeClientFrame, OPCODE, ServerFrameReader, type FrameSink } from './client-frames.js';

// The package exports it, but its types do not.
const { Receiver } = ws as unknown as {
  Receiver: new (options: object) => EventEmitter & { write(bytes: Buffer): void };
};

class Notes implements FrameSink {
  readonly seen: string[] = [];
  onMessage(payload: Uint8Array, binary: boolean): void {
    this.seen.push(`${binary ? 'binary' : 'text'} ${Buffer.from(payload).toString('latin1')}`);
  }
  onPing(payload: Uint8Array): void {
    this.seen.push(`ping ${payload.length}`);
  }
  onPong(): void {
    this.seen.push('pong');
  }
  onClose(code: number, reason: string): void {
    this.seen.push(`close ${code} ${reason}`);
  }
  onFault(code: number): void {
    this.seen.push(`fault ${code}`);
  }
}

const read = (hexes: readonly string[], maxBytes = 70_000): string[] => {
  const notes = new Notes();
  const reader = new ServerFrameReader(notes, maxBytes);
  for (const hex of hexes) reader.push(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  return notes.seen;
};

describe('frames of the client', () => {
  it.each([0, 1, 2, 3, 4, 125, 126, 127, 65_535, 65_536, 70_001])(
    'of %d bytes are read by another implementation',
    async (size) => {
      const payload = Buffer.from(Array.from({ length: size }, (_, i) => i % 251));
      const receiver = new Receiver({ isServer: true, maxPayload: 1_000_000, allowSynchronousEvents: true });
      const message = new Promise<Buffer>((resolve) => receiver.on('message', resolve));
      receiver.write(encodeClientFrame(OPCODE.binary, payload));
      expect((await message).equals(payload)).toBe(true);
    },
  );

  it('use a fresh mask each time', () => {
    const payload = Buffer.alloc(64);
    const all = Array.from({ length: 50 }, () => encodeClientFrame(OPCODE.binary, payload).toString('hex'));
    expect(new Set(all).size).toBe(50);
  });
});

describe('the reader of server frames', () => {
  it('reads whole messages, several in one piece and one in many', () => {
    expect(read(['82 01 61 82 02 62 63'])).toEqual(['binary a', 'binary bc']);
    expect(read(['82', '03', '61', '62 63'])).toEqual(['binary abc']);
  });

  it('joins fragments, with control frames between them', () => {
    expect(read(['02 01 61 89 00 00 01 62 80 01 63'])).toEqual(['ping 0', 'binary abc']);
    expect(read(['01 01 61 80 01 62'])).toEqual(['text ab']);
  });

  it('reads both long forms of the length', () => {
    expect(read([`82 7e 00 80 ${'61'.repeat(128)}`])).toEqual([`binary ${'a'.repeat(128)}`]);
    expect(read([`82 7f 00 00 00 00 00 01 00 00 ${'61'.repeat(65_536)}`])).toEqual([`binary ${'a'.repeat(65_536)}`]);
  });

  it('reads a close with and without a status, and nothing after it', () => {
    expect(read(['88 04 0f a1 68 69 82 01 61'])).toEqual(['close 4001 hi']);
    expect(read(['88 00'])).toEqual(['close 1005 ']);
  });

  it.each([
    ['a masked frame', '82 81 00 00 00 00 61', 1002],
    ['reserved bits', 'c2 01 61', 1002],
    ['a fragmented control frame', '09 00', 1002],
    ['a long control frame', '89 7e 00 80', 1002],
    ['an unknown opcode', '83 00', 1002],
    ['a continuation of nothing', '80 00', 1002],
    ['a new message within a fragmented one', '02 00 82 00', 1002],
    ['a message over the limit', '82 7f 00 00 00 00 00 02 00 00', 1009],
    ['fragments over the limit', `02 7e ff ff ${'00'.repeat(65_535)} 80 7e ff ff ${'00'.repeat(65_535)}`, 1009],
  ])('refuses %s', (_what, hex, code) => {
    const filled = hex === '89 7e 00 80' ? hex + '00'.repeat(128) : hex;
    expect(read([filled])).toEqual([`fault ${code}`]);
  });
});
