import type { ActionCall } from '../contract/action.js';
import { callText } from '../contract/call-values.js';

/** The installed package that is meant. Missing values are not compared. */
export interface PackageTarget {
  readonly name: string;
  readonly version: string | undefined;
  readonly release: string | undefined;
  readonly arch: string | undefined;
  readonly epoch: string | undefined;
  readonly purge: boolean;
  /** Named by a row. When the installed package differs from the row, the action is refused. */
  readonly isBound: boolean;
}

export function packageTarget(call: ActionCall): PackageTarget {
  return {
    name: callText(call, 'name') ?? '',
    version: callText(call, 'version'),
    release: callText(call, 'release'),
    arch: callText(call, 'arch'),
    epoch: callText(call, 'epoch'),
    purge: call.params['purge'] === true,
    isBound: call.binding !== undefined,
  };
}
