import type { ActionCall } from '../contract/action.js';
import { callText } from '../contract/call-values.js';

/** Which installed package is meant; what is not given is not compared. */
export interface PackageTarget {
  readonly name: string;
  readonly version: string | undefined;
  readonly release: string | undefined;
  readonly arch: string | undefined;
  readonly epoch: string | undefined;
  readonly purge: boolean;
  /** Said by a row: then it is there as the row has it, or the world has moved. */
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
