import type { ActionCall } from '../contract/action.js';
import { said } from '../contract/call-values.js';

/** Which installed package is meant; what is not given is not compared. */
export interface WantedPackage {
  readonly name: string;
  readonly version: string | undefined;
  readonly release: string | undefined;
  readonly arch: string | undefined;
  readonly epoch: string | undefined;
  readonly purge: boolean;
  /** Said by a row: then it is there as the row has it, or the world has moved. */
  readonly isBound: boolean;
}

export function wantedPackage(call: ActionCall): WantedPackage {
  return {
    name: said(call, 'name') ?? '',
    version: said(call, 'version'),
    release: said(call, 'release'),
    arch: said(call, 'arch'),
    epoch: said(call, 'epoch'),
    purge: call.params['purge'] === true,
    isBound: call.binding !== undefined,
  };
}
