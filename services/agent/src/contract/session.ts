import type { FrameType, SessionMode } from '@muster/protocol';

/** `full`: not taken, `onWritable` follows. `closed`: not taken, the session is over. */
export type SendResult = 'sent' | 'full' | 'closed';

export interface SendOptions {
  readonly flags?: number;
  /** Taken above the high-water mark too. */
  readonly urgent?: boolean;
  /** How long ago what it says was true. Over Poll it goes along; Live has no place for it. */
  readonly ageMs?: number;
}

/** What a capability sees of a session. */
export interface Session {
  readonly mode: SessionMode;
  /** What its gateway said in CHALLENGE that the time is. */
  readonly serverTimeMs: number;
  send(type: FrameType, ref: number, body: Uint8Array, options?: SendOptions): SendResult;
}
