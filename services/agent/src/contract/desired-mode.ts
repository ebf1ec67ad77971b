import type { SessionMode } from '@muster/protocol';

/** Which mode to use, and how often to poll. */
export interface ModeSetting {
  readonly mode: SessionMode;
  readonly intervalMs: number;
}

/** Decides which mode the session should use. */
export interface DesiredMode {
  /** What applies now. */
  readonly setting: ModeSetting;
  /** Whether Poll may replace Live while Live does not work. */
  readonly fallsBack: boolean;
  /**
   * From now on `onChange` is called when the setting changes during a session; the session changes within `spreadMs`.
   */
  start(onChange: (spreadMs: number) => void): void;
  stop(): void;
}
