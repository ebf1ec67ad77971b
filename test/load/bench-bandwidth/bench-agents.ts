import { FAST_FORWARD, type BenchAgent } from './run-bandwidth.js';

/** The ways in which an agent can be reached, with the names that reports give them. */
export const VARIANTS = [
  { name: 'Live', channel: 'live' },
  { name: 'Poll', channel: 'poll' },
  { name: 'Poll, idle connections cut', channel: 'poll', cutIdleMs: 250 },
] as const satisfies readonly Pick<BenchAgent, 'name' | 'channel' | 'cutIdleMs'>[];

/** Longer idle times show nothing that four heartbeats do not. */
const REAL_IDLE_MS = 100_000;

/**
 * Two agents for each way: one that idles and is watched in fast-forward, and one that is asked and ordered at the real intervals, then idles for a while at those,
 * which shows whether fast-forward tells the truth.
 */
export function benchAgents({ idleMs, repetitions }: { idleMs: number; repetitions: number }): BenchAgent[] {
  const fastIdleMs = idleMs / FAST_FORWARD;
  const fast = { looks: 2 * repetitions, queries: 0, commands: 0, idleMs: fastIdleMs };
  const commands = Math.ceil(repetitions / 2);
  const real = { looks: 0, queries: repetitions, commands, idleMs: Math.min(REAL_IDLE_MS, fastIdleMs) };
  return VARIANTS.flatMap((variant) => [
    { ...variant, fastForward: FAST_FORWARD, workload: fast },
    { ...variant, fastForward: 1, workload: real },
  ]);
}
