import type { Reachable } from './allow-list.js';

/** What cuts a machine off, by the means of its system. Every barrier falls by itself when its time is over, with or without the agent. */
export interface Barrier {
  /** Why it cannot be had here; `undefined` when it can. */
  missing(): Promise<string | undefined>;
  /** Puts it up, or replaces the one that is up. When it throws, the one before is up still, or none is. */
  raise(reachable: Reachable, seconds: number): Promise<void>;
  /** Takes it down; answers whether it was up. Throws when it is up still. */
  lower(): Promise<boolean>;
}
