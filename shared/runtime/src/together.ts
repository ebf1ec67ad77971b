import type { Component } from './component.js';

/**
 * Starts components that do not need each other at the same time, as one: they wait for different things. Stops them in
 * reverse order. When one does not start, the others are stopped once they have started, and the failure is passed on.
 * For components that need no drain.
 */
export function together(components: readonly Omit<Component, 'drain' | 'ports'>[]): Component {
  const stop = async (started: readonly Component[], signal: AbortSignal): Promise<void> => {
    for (const component of started.toReversed()) await component.stop?.(signal);
  };
  return {
    start: async () => {
      const results = await Promise.allSettled(components.map(async (component) => component.start?.()));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed === undefined) return;
      await stop(
        components.filter((_, i) => results[i]?.status === 'fulfilled'),
        AbortSignal.timeout(STOP_MS),
      );
      throw failed.reason;
    },
    stop: (signal) => stop(components, signal),
  };
}

const STOP_MS = 5_000;
