import { isUtf8 } from 'node:buffer';

/**
 * Bytes that are not UTF-8, such as the name of a file, as text and back: a byte that belongs to no character is the
 * character U+EF00 plus the byte (U+EF80 to U+EFFF). The bytes of these characters themselves are written in the same
 * way, so different bytes are always different texts. Docs: protocol.md, "Names that are not UTF-8".
 */
const FIRST = 0xef80;
const LAST = 0xefff;
const ESCAPE = 0xef00;
const ESCAPED = /[\uef80-\uefff]/;

/** The text of a name, an argument or another string of bytes. Every string of bytes has one, and each another. */
export function textOfBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) {
    const text = buffer.toString('utf8');
    if (!ESCAPED.test(text)) return text;
  }
  let text = '';
  let plain = 0;
  for (let at = 0; at < buffer.length;) {
    const length = characterAt(buffer, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += buffer.toString('utf8', plain, at) + String.fromCharCode(ESCAPE + (buffer[at] ?? 0));
    at += 1;
    plain = at;
  }
  return text + buffer.toString('utf8', plain);
}

/** The bytes that {@link textOfBytes} made this text of. */
export function bytesOfText(text: string): Buffer {
  if (!ESCAPED.test(text)) return Buffer.from(text);
  const parts = text.split(/([\uef80-\uefff]+)/);
  return Buffer.concat(
    parts.map((part, i) =>
      i % 2 === 0 ? Buffer.from(part) : Buffer.from(part, 'utf16le').filter((_, j) => j % 2 === 0),
    ),
  );
}

/** Whether some of the text stands for bytes that are not UTF-8. */
export function hasRawBytes(text: string): boolean {
  return ESCAPED.test(text);
}

/** Length of the character that begins at `at`; 0 where the byte there has to be escaped. */
function characterAt(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const character = bytes.subarray(at, at + length);
  if (character.length < length || !isUtf8(character)) return 0;
  const code = length === 3 ? character.toString('utf8').charCodeAt(0) : 0;
  return code >= FIRST && code <= LAST ? 0 : length;
}
