import { isoTime } from '../http/json-members.js';
import type { Clock } from '@muster/runtime';
import type { Principal } from '../http/principal.js';
import type { StreamItem } from '../http/viewers.js';
import type { FleetCounter } from '../agents/fleet-counter.js';

export interface FleetCountsOptions {
  readonly principal: Principal;
  readonly selector: string;
  /** Labels to count by. */
  readonly by: readonly string[];
  /** Milliseconds between two counts. */
  readonly every: number;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

/** How many endpoints a selector selects: at once, and whenever the counts have changed. */
export async function* fleetCounts(
  { fleet, clock }: { readonly fleet: FleetCounter; readonly clock: Clock },
  { principal, selector, by, every, signal, heartbeatMs }: FleetCountsOptions,
): AsyncGenerator<StreamItem> {
  let told = '';
  while (!signal.aborted) {
    const counts = await fleet.counts(principal, { selector, by, maxAgeMs: every });
    const text = JSON.stringify(counts);
    if (text !== told) {
      told = text;
      const event = { event: 'counts', seq: null, at: isoTime(clock.now()), counts };
      yield { kind: 'event', name: 'counts', pieces: [JSON.stringify(event)] };
    }
    for (let waitedMs = 0; waitedMs < every && !signal.aborted; waitedMs += heartbeatMs) {
      await sleep(clock, Math.min(heartbeatMs, every - waitedMs), signal);
      yield { kind: 'idle' };
    }
  }
}

function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clock.clear(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
