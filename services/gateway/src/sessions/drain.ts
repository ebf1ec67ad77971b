import { sleep, type Clock, type Logger } from '@muster/runtime';
import type { Hub } from './hub/hub.js';
import type { SessionManager } from './session-manager.js';

export interface DrainOptions {
  readonly hub: Hub;
  readonly sessions: Pick<SessionManager, 'askToMove'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Over how long agents are asked to spread their moves. */
  readonly drainSpreadMs: number;
  /** How long to wait for them after that. */
  readonly drainGraceMs: number;
}

const LOOK_MS = 100;

/** Asks every agent to open its next session elsewhere, and waits until they have left or the time is over. What stays is closed later. */
export async function drainSessions(options: DrainOptions, signal: AbortSignal): Promise<void> {
  const { hub, sessions, clock, logger, drainSpreadMs: spreadMs, drainGraceMs: graceMs } = options;
  if (hub.size === 0) return;
  const startedAtMs = clock.monotonic();
  logger.info('draining sessions', { sessions: hub.size, spreadMs });
  sessions.askToMove(hub.sessions(), { spreadMs, reason: 'draining' });
  const untilMs = startedAtMs + spreadMs + graceMs;
  while (hub.size > 0 && clock.monotonic() < untilMs && !signal.aborted) await sleep(clock, LOOK_MS, signal);
  logger.info('drained sessions', { left: hub.size, tookMs: Math.round(clock.monotonic() - startedAtMs) });
}
