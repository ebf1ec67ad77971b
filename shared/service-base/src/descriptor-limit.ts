import { readFileSync } from 'node:fs';

/** Descriptors for brokers, files and the health port. */
const RESERVED_DESCRIPTORS = 500;
const FALLBACK_DESCRIPTORS = 20_000;

/** How many connections fit under the process's limit of file descriptors (Linux; a common default elsewhere). */
export function connectionsThatFit(): number {
  let limit = FALLBACK_DESCRIPTORS;
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    if (match !== null) limit = Number(match[1]);
  } catch {
    // Not Linux.
  }
  return Math.max(1, Math.min(limit, 1_000_000) - RESERVED_DESCRIPTORS);
}
