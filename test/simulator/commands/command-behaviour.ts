import { seededUnit } from '../seeded.js';

/** What agents do with commands. Shares are of runs, 0 to 1, and the fleet's seed decides which runs they are. */
export interface CommandBehaviour {
  /** Whether they say that they take commands at all. Default true. */
  readonly capable: boolean;
  /** How long a run takes, evenly between the two. Default 0: it is over at once. */
  readonly runMs: readonly [least: number, most: number];
  /** Runs that take `slowMs` instead. Default 0, and 5 s. */
  readonly slow: number;
  readonly slowMs: number;
  /** Runs that fail, with the code `simulated_failure`. */
  readonly failing: number;
  /**
   * Runs after which the agent crashes: half of them before it has noted the outcome, so that it can only say later that the run was interrupted,
   * and half of them with the outcome noted, but not reported.
   */
  readonly crashing: number;
  /** How long a crashed agent is away, evenly between half of it and one and a half. Default 1 s. */
  readonly restartMs: number;
  /** Reports that are sent twice. */
  readonly duplicating: number;
}

export const PROMPT_COMMANDS: CommandBehaviour = {
  capable: true,
  runMs: [0, 0],
  slow: 0,
  slowMs: 5_000,
  failing: 0,
  crashing: 0,
  restartMs: 1_000,
  duplicating: 0,
};

/** Throws a `RangeError` that names the option for what makes no sense. */
export function completeCommandBehaviour(options: Partial<CommandBehaviour> = {}): CommandBehaviour {
  const behaviour = { ...PROMPT_COMMANDS, ...options };
  for (const name of ['slow', 'failing', 'crashing', 'duplicating'] as const) {
    const share = behaviour[name];
    if (!(share >= 0 && share <= 1)) throw new RangeError(`commands.${name} is a share from 0 to 1, not ${share}`);
  }
  const [least, most] = behaviour.runMs;
  if (!(least >= 0 && most >= least)) throw new RangeError('commands.runMs is a least and a most');
  return behaviour;
}

export interface Fate {
  readonly runMs: number;
  readonly fails: boolean;
  readonly crashes: 'before_outcome' | 'before_report' | undefined;
}

/** What becomes of one run, the same for the same seed. */
export function fateOf(behaviour: CommandBehaviour, seed: number, index: number, run: string): Fate {
  const roll = (salt: string): number => seededUnit(seed, index, `${run} ${salt}`);
  const [least, most] = behaviour.runMs;
  const crash = roll('crash');
  return {
    runMs: roll('slow') < behaviour.slow ? behaviour.slowMs : least + (most - least) * roll('time'),
    fails: roll('fail') < behaviour.failing,
    crashes:
      crash >= behaviour.crashing ? undefined : crash < behaviour.crashing / 2 ? 'before_outcome' : 'before_report',
  };
}
