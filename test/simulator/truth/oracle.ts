import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { CommandState } from '@muster/protocol';

/** How a run ended on the endpoint. `interrupted`: the agent crashed before it recorded the outcome, so that is all it can report later. */
export type RunResult =
  'running' | 'interrupted' | 'succeeded' | 'failed' | 'refused' | 'unsupported' | 'cancelled' | 'timed_out';

/** One run of one target of a command on one agent. */
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

/** A target in the journal, as the API shows it. */
export interface JournaledTarget {
  readonly command: string;
  readonly number: number;
  readonly agentId: string;
  readonly state: CommandState;
  readonly code: string;
}

/**
 * What really ran on the endpoints of a fleet: one entry per run, recorded by the endpoint itself when the run begins. Nothing here comes
 * from the wire, and agents do not read it. It therefore shows a run that a faulty agent or service would hide, and every repeated one.
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

  /** Starts and ends so far: rises with everything that is recorded. */
  get notes(): number {
    return this.#notes;
  }

  /** How often an agent started this target. */
  runs(agentId: string, command: string, number: number): number {
    for (; this.#counted < this.#runs.length; this.#counted += 1) {
      const run = this.#runs[this.#counted];
      if (run === undefined) break;
      const key = keyOf(run);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    }
    return this.#counts.get(keyOf({ agentId, command, number })) ?? 0;
  }

  started(run: Omit<Run, 'result' | 'atMs' | 'endedAtMs'>): Run {
    const { agentId, command, number, action, dryRun } = run;
    const entry: Run = {
      agentId,
      command,
      number,
      action,
      dryRun,
      atMs: Date.now(),
      result: 'running',
      endedAtMs: undefined,
    };
    this.#runs.push(entry);
    this.#notes += 1;
    return entry;
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
 * Where the journal and the endpoints disagree, one line each. None when each target has one terminal state that matches its run, and
 * nothing ran twice or on an agent that was no target. `expired` as `unconfirmed` and `timed_out` as `no_report` mean that the outcome is
 * unknown, so any one run agrees with them.
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

/** The run results that agree with each terminal state. */
const RESULTS: Readonly<Partial<Record<CommandState, readonly (RunResult | 'none')[]>>> = {
  succeeded: ['succeeded'],
  failed: ['failed', 'interrupted'],
  // Refused before the run, or by the action itself.
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

/** Writes the runs of an oracle to a file, so that another process can compare them with the journal. */
export class OracleFile {
  readonly #oracle: Oracle;
  readonly #path: string;
  #written = -1;

  constructor(oracle: Oracle, path: string) {
    this.#oracle = oracle;
    this.#path = path;
  }

  /** Replaces the file atomically, when there is something new. */
  write(): void {
    const { all, notes } = this.#oracle;
    if (notes === this.#written) return;
    this.#written = notes;
    writeFileSync(`${this.#path}.new`, JSON.stringify(all));
    renameSync(`${this.#path}.new`, this.#path);
  }
}

/** The runs in the files of a fleet's processes. */
export function readOracleFiles(...paths: readonly string[]): Run[] {
  return paths.flatMap((path) => JSON.parse(readFileSync(path, 'utf8')) as Run[]);
}
