import type { AllowList } from './allow-list.js';

/** The firewall of one operating system. Every backend removes its rules when their time is over, even when the agent is not running. */
export interface FirewallBackend {
  /** Returns why the firewall cannot be used, or `undefined` when it can. */
  unavailableReason(): Promise<string | undefined>;
  /** Applies the rules for `seconds`, or replaces those in force. When it throws, the previous rules or none are in force. */
  apply(allowList: AllowList, seconds: number): Promise<void>;
  /** Removes the rules. Resolves to whether there were any. Throws when they are still in force. */
  remove(): Promise<boolean>;
}
