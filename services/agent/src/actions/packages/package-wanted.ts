import type { ActionCall } from '../action.js';

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

export function wantedPackage({ params, binding }: ActionCall): WantedPackage {
  const said = binding ?? params;
  const text = (key: string): string | undefined => {
    const value = said[key];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  };
  return {
    name: text('name') ?? '',
    version: text('version'),
    release: text('release'),
    arch: text('arch'),
    epoch: text('epoch'),
    purge: params['purge'] === true,
    isBound: binding !== undefined,
  };
}
