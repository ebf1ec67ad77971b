import type { FleetOptions, Run } from '../../simulator/index.js';

/** What a bench requests from the process of its fleet. */
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
  /** Asks for the runs on its agents so far. */
  | { readonly t: 'oracle' };

/** The answer to a request. */
export type FleetReply =
  | { readonly t: 'ready'; readonly ready: number }
  | { readonly t: 'failed'; readonly message: string }
  | { readonly t: 'oracle'; readonly runs: readonly Run[] };
