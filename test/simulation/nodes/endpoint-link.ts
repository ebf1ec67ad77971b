import type { SessionMode } from '@muster/protocol';

/** What an endpoint hears of one of its sessions, over either channel. */
export interface LinkEvents {
  readonly received: (frame: Uint8Array) => void;
  /** Any sign of life of a gateway. */
  readonly heard: () => void;
  /** It was refused, is closed, or is given up: the last event. */
  readonly lost: () => void;
}

/** One session of an endpoint, from the attempt to open it to its end. */
export interface Link {
  readonly mode: SessionMode;
  send(frame: Uint8Array): void;
  /** Asks for a sign of life; over Poll the polls are it. */
  ping(): void;
  /** Orderly end: what was sent before arrives. */
  leave(): void;
  /** Ends it without a word. */
  drop(): void;
}
