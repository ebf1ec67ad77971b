import type { SessionMode } from '@muster/protocol';

/** A stored entry (its format is in lua/entry.ts). */
export interface StoredEntry {
  readonly epoch: number;
  /** Empty when unregistered. */
  readonly gatewayId: string;
  readonly mode: SessionMode;
  readonly connectedAtMs: number;
  readonly lastSeenMs: number;
  readonly org: string;
  readonly num: number;
}

export function parseEntry(packed: string): StoredEntry {
  const [epoch, gatewayId = '', , mode, connectedAtMs, lastSeenMs, org = '', num] = packed.split('|');
  return {
    epoch: Number(epoch),
    gatewayId,
    mode: mode === 'poll' ? 'poll' : 'live',
    connectedAtMs: Number(connectedAtMs),
    lastSeenMs: Number(lastSeenMs),
    org,
    num: Number(num),
  };
}
