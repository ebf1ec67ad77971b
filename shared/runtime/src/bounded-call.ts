import { sleep, type Clock } from './clock.js';

/**
 * Runs `run` for at most `ms`, or until `outer` is aborted. Then its signal is aborted, and the call returns `late` without it.
 * When `outer` is aborted already, `run` still gets one turn of the event loop.
 */
export async function within(
  clock: Clock,
  ms: number,
  outer: AbortSignal,
  run: (signal: AbortSignal) => void | Promise<void>,
): Promise<'done' | 'late' | { readonly error: unknown }> {
  const inner = new AbortController();
  const settled = new AbortController();
  const running = (async () => {
    await run(inner.signal);
    return 'done' as const;
  })().catch((error: unknown) => ({ error }));
  if (outer.aborted) inner.abort();
  const bound = outer.aborted
    ? new Promise<void>((resolve) => setImmediate(resolve))
    : sleep(clock, ms, AbortSignal.any([outer, settled.signal]));
  const result = await Promise.race([running, bound.then(() => 'late' as const)]);
  settled.abort();
  if (result === 'late') inner.abort();
  return result;
}
