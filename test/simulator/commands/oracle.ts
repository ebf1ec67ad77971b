import type { CommandState } from '@muster/protocol';

/**
 * How a run ended on the endpoint. `interrupted`: the agent crashed before it could note the outcome, so what it reports later is only that.
 * `running` while it runs.
 */
export type RunResult =
  'running' | 'interrupted' | 'succeeded' | 'failed' | 'refused' | 'unsupported' | 'cancelled' | 'timed_out';

/** One time that one agent began to run one target of a command. */
export interface Run {
  readonly agentId: string;
  readonly command: string;
  /** The target's number within the command. */
  readonly number: number;
  readonly action: string;
  readonly dryRun: boolean;
  readonly atMs: number;
  result: RunResult;
  endedAtMs: number | undefined;
}

/** What the journal says of a target, as the API gives it. */
export interface JournaledTarget {
  readonly command: string;
  readonly number: number;
  readonly agentId: string;
  readonly state: CommandState;
  readonly code: string;
}

/**
 * What really happened on the endpoints of a fleet: a line for every run, written down when it begins by the endpoint itself. Nothing that
 * passed a wire comes in here, and agents do not look at it; so it tells what a ledger that forgets, or a service that repeats, would hide.
 */
export class Oracle {
  readonly #runs: Run[] = [];
  /** Counts of the first `#counted` runs. */
  readonly #counts = new Map<string, number>();
  #counted = 0;
  #notes = 0;

  /** All runs, in the order in which they began. */
  get all(): readonly Run[] {
    return this.#runs;
  }

  get total(): number {
    return this.#runs.length;
  }

  /** Beginnings and ends so far: rises with everything that is written down. */
  get notes(): number {
    return this.#notes;
  }

  /** How often an agent began to run this target. */
  runs(agentId: string, command: string, number: number): number {
    for (; this.#counted < this.#runs.length; this.#counted += 1) {
      const run = this.#runs[this.#counted];
      if (run === undefined) break;
      const key = keyOf(run);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    }
    return this.#counts.get(keyOf({ agentId, command, number })) ?? 0;
  }

  began(run: Omit<Run, 'result' | 'atMs' | 'endedAtMs'>): Run {
    const { agentId, command, number, action, dryRun } = run;
    const begun: Run = {
      agentId,
      command,
      number,
      action,
      dryRun,
      atMs: Date.now(),
      result: 'running',
      endedAtMs: undefined,
    };
    this.#runs.push(begun);
    this.#notes += 1;
    return begun;
  }

  ended(run: Run, result: Exclude<RunResult, 'running'>): void {
    this.#notes += 1;
    run.result = result;
    run.endedAtMs = Date.now();
  }

  of(command: string): Run[] {
    return this.#runs.filter((run) => run.command === command);
  }

  /** Targets that were run more than once: there must be none. */
  doubled(): Run[][] {
    return [...groupByTarget(this.#runs).values()].filter((runs) => runs.length > 1);
  }
}

/**
 * Where the journal and the endpoints disagree, one line each; none when each target has one terminal state, that state is what happened, and
 * nothing ran twice or on an agent that was not meant. `expired` as `unconfirmed` and `timed_out` as `no_report` say that nobody knows, so any
 * one run agrees with those.
 */
export function disagreements(runs: Iterable<Run>, targets: Iterable<JournaledTarget>): string[] {
  const ran = groupByTarget(runs);
  const faults: string[] = [];
  for (const target of targets) {
    const key = keyOf(target);
    const fault = faultOf(target, ran.get(key) ?? []);
    if (fault !== undefined) faults.push(`${key}: ${fault}`);
    ran.delete(key);
  }
  for (const [key, list] of ran) faults.push(`${key}: ran ${list.length} times, but the journal does not know it`);
  return faults;
}

function faultOf({ state, code }: JournaledTarget, runs: readonly Run[]): string | undefined {
  const [run] = runs;
  const what = code === '' ? state : `${state} (${code})`;
  if (runs.length > 1) return `ran ${runs.length} times, and the journal says ${what}`;
  const results = RESULTS[state];
  if (results === undefined) return `has no terminal state, but is ${what}`;
  if (code === 'unconfirmed' || code === 'no_report') return undefined;
  if (run === undefined) return results.includes('none') ? undefined : `never ran, but the journal says ${what}`;
  if (state === 'failed' && (code === 'interrupted') !== (run.result === 'interrupted')) {
    return `the run was ${run.result}, but the journal says ${what}`;
  }
  return results.includes(run.result) ? undefined : `the run was ${run.result}, but the journal says ${what}`;
}

/** What may have happened where the journal says this. */
const RESULTS: Readonly<Partial<Record<CommandState, readonly (RunResult | 'none')[]>>> = {
  succeeded: ['succeeded'],
  failed: ['failed', 'interrupted'],
  // Refused at the door, or by the action when it looked.
  refused: ['none', 'refused'],
  unsupported: ['none', 'unsupported'],
  timed_out: ['timed_out'],
  cancelled: ['none', 'cancelled'],
  expired: ['none'],
};

function groupByTarget(runs: Iterable<Run>): Map<string, Run[]> {
  const groups = new Map<string, Run[]>();
  for (const run of runs) {
    const key = keyOf(run);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [run]);
    else group.push(run);
  }
  return groups;
}

function keyOf({ command, number, agentId }: Pick<Run, 'command' | 'number' | 'agentId'>): string {
  return `${command} target ${number} on ${agentId}`;
}
