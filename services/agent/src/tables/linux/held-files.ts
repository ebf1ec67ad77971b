import type { TableRow } from '@muster/tables';
import type { FoundFile } from '../contract/found-file.js';

/** Files of one call of a program: each is a descriptor, of which a process may have 1,024. */
const BATCH = 200;

/** What a statement named, as it was when it was looked at. */
export interface HeldFile {
  readonly path: string;
  readonly found: FoundFile;
}

/**
 * Rows of a program of the machine that is asked for many files at once. It inherits what was found, so that a name that leads elsewhere
 * by then changes nothing. Closes the files.
 */
export function* rowsInBatches<T extends HeldFile>(
  files: Iterable<T>,
  rowsOf: (batch: readonly T[]) => Iterable<TableRow>,
): Iterable<TableRow> {
  const batch: T[] = [];
  const finish = (): TableRow[] => {
    const rows = batch.length === 0 ? [] : Array.from(rowsOf(batch));
    close(batch);
    return rows;
  };
  try {
    for (const file of files) {
      batch.push(file);
      if (batch.length === BATCH) yield* finish();
    }
    yield* finish();
  } finally {
    close(batch);
  }
}

function close(batch: HeldFile[]): void {
  for (const { found } of batch.splice(0)) found.close();
}

/**
 * Answers for `items`, in their order, where one of them may cost all others the answer: halves are asked for again, down to the one,
 * whose answer is `undefined`.
 * @param ask one answer for each item, or `undefined` when there is none for any.
 */
export function answersOf<T, A>(
  items: readonly T[],
  ask: (some: readonly T[]) => readonly A[] | undefined,
): (A | undefined)[] {
  const answers = ask(items);
  if (answers !== undefined) return [...answers];
  if (items.length <= 1) return items.map(() => undefined);
  const half = Math.ceil(items.length / 2);
  return [...answersOf(items.slice(0, half), ask), ...answersOf(items.slice(half), ask)];
}
