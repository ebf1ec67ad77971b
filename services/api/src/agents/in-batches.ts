const AT_ONCE = 64;

/** Runs an asynchronous function for each item, a bounded number at a time. */
export async function* inBatches<T, R>(items: Iterable<T>, run: (item: T) => Promise<R>): AsyncGenerator<R> {
  let batch: Promise<R>[] = [];
  for (const item of items) {
    batch.push(run(item));
    if (batch.length < AT_ONCE) continue;
    yield* await Promise.all(batch);
    batch = [];
  }
  yield* await Promise.all(batch);
}
