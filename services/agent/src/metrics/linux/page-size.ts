import { parseProcessStat } from './parse/process.js';
import { readOnce } from './read-once.js';

let known: number | undefined;

/** The size of a page in KiB, which Node does not tell: what it says in bytes of this process, the kernel says in pages. */
export function pageKib(): number {
  known ??= measure();
  return known;
}

function measure(): number {
  const bytes = readOnce('/proc/self/stat');
  const pages = bytes === undefined ? undefined : parseProcessStat(bytes)?.residentPages;
  if (!pages) return 4;
  const kib = process.memoryUsage.rss() / pages / 1_024;
  return [4, 8, 16, 32, 64].find((size) => kib < size * 1.4) ?? 64;
}
