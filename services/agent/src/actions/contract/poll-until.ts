import { sleep } from '@muster/runtime/program';
import type { ActionCall } from './action.js';

export interface PollOptions {
  readonly timeoutMs: number;
  readonly intervalMs: number;
}

/** Polls `check` until it is true. Resolves to false after `timeoutMs`. When the action is aborted, checks once more and returns that. */
export async function pollUntil(
  { host: { clock }, signal }: Pick<ActionCall, 'host' | 'signal'>,
  { timeoutMs, intervalMs }: PollOptions,
  check: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const deadline = clock.monotonic() + timeoutMs;
  for (;;) {
    if (await check()) return true;
    if (clock.monotonic() >= deadline) return false;
    if ((await sleep(clock, intervalMs, signal)) === 'aborted') return check();
  }
}
