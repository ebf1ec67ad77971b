import type { ActionCall, ProgramResult } from '../contract/action.js';

export type ServiceVerb = 'start' | 'stop' | 'restart';

/** The current state of a service. */
export interface ServiceView {
  /** Name in the service manager. */
  readonly id: string;
  /** `undefined` when unknown. */
  readonly running: boolean | undefined;
  /** State in the words of the service manager. */
  readonly status: string;
  /** Unit file or script that defines the service. */
  readonly definition: string;
  /** Why the service must not be touched, independent of the endpoint's configuration. */
  readonly protectedBecause?: string;
  /** What may start the service again after a stop. */
  readonly triggeredBy?: string;
}

/** Port to what starts and stops services on this machine. */
export interface ServiceManager {
  /** Name for people, such as systemd. */
  readonly kind: string;
  /** Finds the service with exactly this name, which has no slash and no leading dash. Resolves to `undefined` when there is none. */
  find(call: ActionCall, name: string, verb: ServiceVerb): Promise<ServiceView | undefined>;
  /** Requests the change and waits for the manager's answer. */
  change(call: ActionCall, service: ServiceView, verb: ServiceVerb): Promise<ProgramResult>;
}
