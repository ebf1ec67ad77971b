import type { StartQuery } from '@muster/messages';
import { AppError, LIMITS, parseSelector, usesHealth } from '@muster/protocol';
import { HUNT_SLACK_MS, longestHuntMs } from '@muster/service-base';

const DAY_MS = 86_400_000;

/**
 * How long a hunt may wait: 14 days, and not longer than its results are kept. For how long they are wanted after its
 * end, the API knows and has looked at.
 * @throws AppError `bad_request`; `bad_selector` where it selects by health.
 */
export function checkWait(
  {
    waitUntilMs,
    standing,
    selector,
    among,
    retryOf,
  }: Pick<StartQuery, 'waitUntilMs' | 'standing' | 'selector' | 'among' | 'retryOf'>,
  nowMs: number,
  keptMs: number,
): void {
  if (waitUntilMs === undefined) {
    if (standing === true) throw new AppError('bad_request', 'only a hunt can be standing: it needs waitUntil');
    return;
  }
  const parsed = parseSelector(selector);
  if (among !== undefined && retryOf === undefined && parsed.ok && usesHealth(parsed.selector)) {
    throw new AppError('bad_selector', 'a hunt cannot select by health, which changes while it waits', {
      details: { field: 'selector', offset: 0 },
    });
  }
  const longestMs = longestHuntMs(keptMs, 0);
  const waitMs = waitUntilMs - nowMs;
  if (Number.isSafeInteger(waitUntilMs) && waitMs > 0 && waitMs <= longestMs + HUNT_SLACK_MS) return;
  const why = keptMs < LIMITS.huntMaxMs ? ', as long as results are kept' : '';
  throw new AppError(
    'bad_request',
    `waitUntil must be in the future, and at most ${Math.floor(longestMs / DAY_MS)} days from now${why}`,
    { details: { field: 'waitUntil', maxMs: longestMs } },
  );
}
