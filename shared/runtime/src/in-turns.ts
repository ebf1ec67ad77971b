/** Items for each turn of the event loop: about a millisecond of work. */
const SLICE = 2_000;

/** Calls `visit` for each item. Other work of the process runs in between: no list is so long that it stops the event loop. */
export async function visitInTurns<T>(items: Iterable<T>, visit: (item: T) => void): Promise<void> {
  let visited = 0;
  for (const item of items) {
    if (++visited % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    visit(item);
  }
}

/** The items that match; see {@link visitInTurns}. */
export async function filterInTurns<T>(items: Iterable<T>, matches: (item: T) => boolean): Promise<T[]> {
  const found: T[] = [];
  await visitInTurns(items, (item) => {
    if (matches(item)) found.push(item);
  });
  return found;
}
