import { FAST_FORWARD, type BenchAgent } from './run-bandwidth.js';

/** The kinds of connections that are compared, with their names in reports. */
export const VARIANTS = [
  { name: 'Live', channel: 'live' },
  { name: 'Poll', channel: 'poll' },
  { name: 'Poll, idle connections cut', channel: 'poll', endIdleMs: 250 },
] as const satisfies readonly Pick<BenchAgent, 'name' | 'channel' | 'endIdleMs'>[];

/** Four heartbeats: longer idle times show nothing more. */
const REAL_IDLE_MS = 100_000;

/** From one keyframe to the next: an hour is six times this. */
const SAMPLES = 60;

/**
 * Three agents for each variant. One idles in fast-forward. One gets queries and commands at real intervals, and then
 * idles at those, which shows whether the figures of fast-forward are right. One sends samples, at real intervals too.
 */
export function benchAgents({ idleMs, repetitions }: { idleMs: number; repetitions: number }): BenchAgent[] {
  const fastIdleMs = idleMs / FAST_FORWARD;
  const fast = { samples: 0, queries: 0, commands: 0, idleMs: fastIdleMs };
  const commands = Math.ceil(repetitions / 2);
  const real = { samples: 0, queries: repetitions, commands, idleMs: Math.min(REAL_IDLE_MS, fastIdleMs) };
  const sampled = { samples: SAMPLES, queries: 0, commands: 0, idleMs: 0 };
  return VARIANTS.flatMap((variant) => [
    { ...variant, fastForward: FAST_FORWARD, workload: fast },
    { ...variant, fastForward: 1, workload: real },
    { ...variant, fastForward: 1, workload: sampled },
  ]);
}
