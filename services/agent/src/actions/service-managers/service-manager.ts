import type { ActionCall, ProgramResult } from '../contract/action.js';

export type ServiceVerb = 'start' | 'stop' | 'restart';

/** A service as its manager sees it now. */
export interface ServiceView {
  /** The name that the manager gives it. */
  readonly id: string;
  /** `undefined` when the manager cannot tell. */
  readonly running: boolean | undefined;
  /** In the manager's words. */
  readonly status: string;
  /** Unit file or script that defines it. */
  readonly definition: string;
  /** Why it must not be touched, whatever the endpoint's owner has set. */
  readonly protectedBecause?: string;
  /** What may start it again after it was stopped. */
  readonly triggeredBy?: string;
}

/** What starts and stops services on this machine. */
export interface ServiceManager {
  /** For people: systemd, OpenRC or init scripts. */
  readonly kind: string;
  /** The service of exactly this name, which has no slash and does not begin with a dash. `undefined` when there is none. */
  find(call: ActionCall, name: string, verb: ServiceVerb): Promise<ServiceView | undefined>;
  /** Orders the change and waits for what the manager says. */
  change(call: ActionCall, service: ServiceView, verb: ServiceVerb): Promise<ProgramResult>;
}
