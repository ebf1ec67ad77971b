import type { FleetOptions, Run } from '../../simulator/index.js';

/** What a bench says to the process that holds its fleet, and what comes back. */
export type FleetRequest =
  | { readonly t: 'fleet'; readonly options: FleetOptions; readonly keysFile: string }
  | {
      readonly t: 'bare';
      readonly gateway: string;
      readonly ca?: string;
      readonly agents: number;
      readonly connectsPerSecond: number;
      readonly answerHex: string;
    }
  /** What ran so far on its agents? */
  | { readonly t: 'oracle' };

export type FleetReply =
  | { readonly t: 'ready'; readonly ready: number }
  | { readonly t: 'failed'; readonly message: string }
  | { readonly t: 'oracle'; readonly runs: readonly Run[] };
