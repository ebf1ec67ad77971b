import type { PageLayout } from './trace-format.js';

const TYPE = { padding: 29, timeExtend: 30, timeStamp: 31 } as const;
/** In the upper bits of the length: events before this page were overwritten, and whether their number follows the data. */
const MISSED_EVENTS = 0x8000_0000;
const LENGTH_BITS = 0x3fff_ffff;
const DELTA_BITS = 27;

export interface PageEnd {
  /** Events between the page before and this one were overwritten before they were read. */
  readonly isAfterLoss: boolean;
  /** The page is not built as we know it: what follows the last event that was told is not known. */
  readonly isDamaged: boolean;
}

/**
 * Tells the events of one page of a ring buffer (`trace_pipe_raw`; the kernel's ring_buffer.h), of a little-endian
 * machine. Times are nanoseconds by the clock of the instance. `data` is a part of `page`, valid during the call only.
 */
export function readPage(
  page: Buffer,
  { timestampOffset, commitOffset, dataOffset }: PageLayout,
  onEvent: (atNs: number, data: Buffer) => void,
): PageEnd {
  if (page.length < dataOffset) return { isAfterLoss: false, isDamaged: true };
  let atNs = Number(page.readBigUInt64LE(timestampOffset));
  const commit = page.readUInt32LE(commitOffset);
  const isAfterLoss = (commit & MISSED_EVENTS) !== 0;
  const end = dataOffset + (commit & LENGTH_BITS);
  if (end > page.length) return { isAfterLoss, isDamaged: true };
  let at = dataOffset;
  while (at + 4 <= end) {
    const head = page.readUInt32LE(at);
    const type = head & 31;
    const delta = head >>> 5;
    at += 4;
    // The rest of the page.
    if (type === TYPE.padding && delta === 0) break;
    const hasArray = type === 0 || type >= TYPE.padding;
    if (hasArray && at + 4 > end) return { isAfterLoss, isDamaged: true };
    const array = hasArray ? page.readUInt32LE(at) : 0;
    if (type === TYPE.timeExtend) {
      atNs += array * 2 ** DELTA_BITS + delta;
      at += 4;
    } else if (type === TYPE.timeStamp) {
      atNs = array * 2 ** DELTA_BITS + delta;
      at += 4;
    } else {
      // A long event has its length, that of the length included, before its data. A discarded one is like it.
      const length = hasArray ? array : type * 4;
      const next = at + length;
      if (length < 4 || next > end) return { isAfterLoss, isDamaged: true };
      if (type !== TYPE.padding) {
        atNs += delta;
        onEvent(atNs, page.subarray(hasArray ? at + 4 : at, next));
      }
      at = next;
    }
  }
  return { isAfterLoss, isDamaged: false };
}
