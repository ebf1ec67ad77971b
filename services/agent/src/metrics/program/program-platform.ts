import type { Measurements } from '../contract/measurements.js';
import type { SeenProcess } from '../contract/process-ranking.js';
import type { ProgramCost } from './program-cost.js';
import type { ProgramCommand } from './sampling-program.js';

export interface StandardAnswer {
  readonly set: Measurements;
  readonly cost: ProgramCost | undefined;
}

export interface ListedProcess extends SeenProcess {
  /** The user it runs as, where the list has it. */
  readonly user?: string;
}

export interface DetailedAnswer {
  readonly set: Measurements;
  /** Absent where they could not be read. */
  readonly processes: readonly ListedProcess[] | undefined;
}

/**
 * A system that is measured by a long-lived program: how it is started, and how its answers to `standard`, `detailed`
 * and `users` are read. `undefined` for an answer that is none. What a good answer lacks is absent.
 */
export interface ProgramPlatform {
  readonly command: ProgramCommand;
  standard(answer: string): StandardAnswer | undefined;
  detailed(answer: string): DetailedAnswer | undefined;
  /** The users of processes by their ids, which are the arguments of `users`. Not there where the list of processes has them. */
  users?(answer: string): ReadonlyMap<number, string> | undefined;
}
