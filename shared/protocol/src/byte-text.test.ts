import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bytesOfText, hasRawBytes, textOfBytes } from './byte-text.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('bytes as text', () => {
  it('UTF-8 is itself, and any other byte is a character of its own', () => {
    expect(textOfBytes(Buffer.from('plain é 😀\0'))).toBe('plain é 😀\0');
    expect(textOfBytes(Buffer.from('b\xff', 'latin1'))).toBe('b\uefff');
    // Cut off, overlong, half of a pair, over the last character.
    expect(textOfBytes(Buffer.from('61c3', 'hex'))).toBe('a\uefc3');
    expect(textOfBytes(Buffer.from('c0af', 'hex'))).toBe('\uefc0\uefaf');
    expect(textOfBytes(Buffer.from('eda080', 'hex'))).toBe('\uefed\uefa0\uef80');
    expect(textOfBytes(Buffer.from('f5808080', 'hex'))).toBe('\ueff5\uef80\uef80\uef80');
  });

  it('a name that has such a character itself is told apart from the byte', () => {
    const forged = Buffer.from('b\uefff');
    expect(textOfBytes(forged)).not.toBe(textOfBytes(Buffer.from('b\xff', 'latin1')));
    expect(hex(bytesOfText(textOfBytes(forged)))).toBe(hex(forged));
    expect([hasRawBytes('b\uefff'), hasRawBytes('é')]).toEqual([true, false]);
  });

  it('any bytes come back, as text that is well formed', () => {
    const pieces = fc.oneof(
      fc.uint8Array({ maxLength: 8 }),
      fc.string({ unit: 'binary' }).map((text) => new Uint8Array(Buffer.from(text))),
      fc
        .constantFrom('eebe80', 'eebfbf', 'eebe', 'ef80', 'f0908080')
        .map((text) => new Uint8Array(Buffer.from(text, 'hex'))),
    );
    fc.assert(
      fc.property(fc.array(pieces), (parts) => {
        const bytes = Buffer.concat(parts);
        const text = textOfBytes(bytes);
        expect(text.isWellFormed()).toBe(true);
        expect(hex(bytesOfText(text))).toBe(hex(bytes));
        expect(hex(bytesOfText(Buffer.from(text).toString('utf8')))).toBe(hex(bytes));
      }),
      { numRuns: 300 },
    );
  });
});
