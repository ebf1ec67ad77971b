/**
 * Whether a dependency is available. `detail` is public, so it must not contain secrets. `needed: false`: the service takes work
 * without it.
 */
export type CheckResult = boolean | CheckDetail;

export interface CheckDetail {
  readonly ok: boolean;
  readonly needed?: false;
  readonly detail?: string;
}
export type Check = () => CheckResult | Promise<CheckResult>;

/** The life-cycle state of the service; the runner implements it. */
export interface Readiness {
  readonly state: string;
  readonly ready: boolean;
}
