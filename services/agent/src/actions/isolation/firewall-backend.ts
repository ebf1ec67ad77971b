import type { AllowList } from './allow-list.js';

/** What cuts a machine off, by the means of its system. Every barrier falls by itself when its time is over, with or without the agent. */
export interface FirewallBackend {
  /** Why it cannot be had here; `undefined` when it can. */
  unavailableReason(): Promise<string | undefined>;
  /** Puts it up, or replaces the one that is up. When it throws, the one before is up still, or none is. */
  apply(allowList: AllowList, seconds: number): Promise<void>;
  /** Takes it down; answers whether it was up. Throws when it is up still. */
  remove(): Promise<boolean>;
}
