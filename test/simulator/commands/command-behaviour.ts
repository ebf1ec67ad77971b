import { seededUnit } from '../machine/seeded.js';

/** What agents do with commands. Shares are of runs, 0 to 1; the fleet's seed decides which runs. */
export interface CommandBehaviour {
  /** Whether they have the capability `command`. Default true. */
  readonly capable: boolean;
  /** How long a run takes, evenly between the two. Default 0: it ends at once. */
  readonly runMs: readonly [least: number, most: number];
  /** Runs that take `slowMs` instead. Default 0, and 5 s. */
  readonly slow: number;
  readonly slowMs: number;
  /** Runs that fail, with the code `simulated_failure`. */
  readonly failing: number;
  /**
   * Runs after which the agent crashes. Half of them crash before the outcome is recorded: the agent then reports `interrupted`. The
   * other half crash with the outcome recorded, but not reported.
   */
  readonly crashing: number;
  /** How long a crashed agent needs to start again, evenly between half and one and a half times this. Default 1 s. */
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

/** Throws a `RangeError` that names the option for a value that makes no sense. */
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

/** How one run goes, the same for the same seed. */
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
