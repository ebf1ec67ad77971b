import type { Schedule } from './schedule.js';
import type { CommandBehaviour } from './command-behaviour.js';
import type { Oracle } from '../truth/oracle.js';
import type { SharedCommandVerifier } from './command-verifier.js';

/** What all agents of a fleet share to take commands. */
export interface CommandContext {
  readonly org: string;
  readonly behaviour: CommandBehaviour;
  readonly verifier: SharedCommandVerifier;
  readonly oracle: Oracle;
  readonly schedule: Schedule;
  readonly stats: CommandStats;
}

/** Counters of one fleet. */
export interface CommandStats {
  runs: number;
  /** REPORT frames, repeats included. */
  reports: number;
  /** Commands whose signature was not valid, or that were not for this agent. */
  refusedCommands: number;
  crashes: number;
}
