import type { SessionMode } from '@muster/protocol';

/** An entry as it is kept (see lua/entry.ts). */
export interface StoredEntry {
  readonly epoch: number;
  /** Empty when released. */
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
