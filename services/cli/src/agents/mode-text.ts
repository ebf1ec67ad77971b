import { durationText, wallTime, shortTime } from '../terminal/time-text.js';
import type { AgentJson } from '@muster/api-contract';

/** A gateway does not record the same fallback again within this time. */
const REPEAT_MS = 600_000;

/** `poll every 1 min until 2026-11-25 06:00`; empty without an override, when the policy of the gateways applies. */
export function overrideText({ wanted }: Pick<AgentJson, 'wanted'>): string {
  if (wanted === undefined) return '';
  const { mode, intervalMs, until } = wanted;
  const every = intervalMs === undefined ? '' : ` every ${durationText(intervalMs)}`;
  return `${mode === 'live' && every !== '' ? `live, else poll${every}` : `${mode}${every}`}${until === undefined ? '' : ` until ${wallTime(until, Date.now())}`}`;
}

/** `away from Live for 12 min`; undefined when it is not in fallback: it never was, is back, or was assigned Poll since. */
export function currentFallback(agent: AgentJson, nowMs: number): string | undefined {
  const { away, wanted, presence } = agent;
  if (away === undefined || away.mode === 'live' || presence.state !== 'poll' || wanted?.mode === 'poll')
    return undefined;
  const atMs = Date.parse(away.at);
  // A later session that did not report a fallback polls because that is its assigned mode.
  if (presence.connectedAt !== undefined && Date.parse(presence.connectedAt) > atMs + REPEAT_MS) return undefined;
  return `away from Live for ${durationText(away.forMs + Math.max(0, nowMs - atMs))}`;
}

/** `away from Live for 12 min: upgrade refused: 403`, or the last fallback that is known. */
export function fallbackText(agent: AgentJson, nowMs: number): string {
  const { away } = agent;
  if (away === undefined) return '';
  const now = currentFallback(agent, nowMs);
  const past = `was away from Live for ${durationText(away.forMs)}, told at ${shortTime(away.at)}`;
  return `${now ?? past}: ${away.why}`;
}
