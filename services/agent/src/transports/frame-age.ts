import type { ModeBody } from '@muster/protocol';
import type { ServerFrame } from '../contract/server-frame.js';

/** The frame as it is to be taken now: times within it count from when it was ready to be sent, `ageMs` ago. */
export function agedFrame(frame: ServerFrame, ageMs: number): ServerFrame {
  if (ageMs === 0) return frame;
  switch (frame.kind) {
    case 'query':
      return { ...frame, body: { ...frame.body, remainingMs: less(frame.body.remainingMs, ageMs) } };
    case 'reconnect': {
      const { afterMs, spreadMs } = frame.body;
      const intoSpreadMs = less(ageMs, afterMs);
      return {
        ...frame,
        body: { ...frame.body, afterMs: less(afterMs, ageMs), spreadMs: less(spreadMs, intoSpreadMs) },
      };
    }
    case 'mode':
      return { ...frame, body: agedMode(frame.body, ageMs) };
    case 'welcome': {
      const { mode } = frame.body;
      return mode === undefined ? frame : { ...frame, body: { ...frame.body, mode: agedMode(mode, ageMs) } };
    }
    default:
      return frame;
  }
}

function agedMode(body: ModeBody, ageMs: number): ModeBody {
  const { lease, spreadMs } = body;
  return {
    ...body,
    spreadMs: less(spreadMs, ageMs),
    ...(lease === undefined ? {} : { lease: { ...lease, forMs: less(lease.forMs, ageMs) } }),
  };
}

function less(ms: number, passedMs: number): number {
  return Math.max(0, ms - passedMs);
}
