import { findAction, UNDO_ACTION, type ActionDefinition } from '@muster/actions';
import {
  encodeBody,
  encodeFrame,
  FRAME,
  LIMITS,
  type CommandBody,
  type CommandClaims,
  type ReportBody,
} from '@muster/protocol';
import type { Machine } from '../machine/machine.js';
import type { CommandContext } from './command-context.js';
import { fateOf, type Fate } from './command-behaviour.js';
import type { Run } from '../truth/oracle.js';
import type { Trust } from './command-verifier.js';
import {
  CANCELLED,
  doing,
  done,
  ending,
  EXPIRED,
  INTERRUPTED,
  TIMED_OUT,
  UNKNOWN_ACTION,
  type Outcome,
  type Plan,
  type Undo,
} from './plan.js';
import { refusalOf } from './refusal.js';
import { planAction } from './simulated-actions.js';

/** The agent whose commands these are. */
export interface CommandHost {
  readonly machine: Machine;
  readonly agentId: string;
  readonly identity: { readonly trust: Trust };
  /** Returns false without a session to send it on. */
  send(frame: Uint8Array): boolean;
  /** Ends at once and starts again later. */
  crash(): void;
}

/** State, code, message and effects of a report. */
type ReportContent = Omit<Outcome, 'state'> & Pick<ReportBody, 'state'>;

/** One target of a command in the agent's durable history: survives crashes of the agent. */
interface HistoryEntry {
  readonly id: string;
  readonly number: number;
  /** `undefined` while it runs. */
  outcome: Outcome | undefined;
  undo: Undo | undefined;
  sent: number;
  repeatAtMs: number;
}

/** An accepted command. A crash loses it. */
interface Job {
  readonly key: string;
  readonly command: CommandBody;
  readonly claims: CommandClaims;
  readonly action: ActionDefinition;
  readonly fate: Fate;
  entry: HistoryEntry | undefined;
  run: Run | undefined;
}

const REPEAT_MS = { first: 1_000, most: 30_000 };

/**
 * Commands on one simulated agent, in the steps of a real one: verify, record the start, run, record the outcome, report until the gateway
 * confirms that the report is kept. Records survive crashes; commands that are accepted and have not started do not.
 */
export class AgentCommands {
  readonly #host: CommandHost;
  readonly #context: CommandContext;
  readonly #history = new Map<string, HistoryEntry>();
  readonly #pendingReports = new Set<HistoryEntry>();
  /** Accepted commands by lane; the first of each lane runs. */
  readonly #queues = new Map<string, Job[]>();
  readonly #jobs = new Map<string, Job>();

  constructor(host: CommandHost, context: CommandContext) {
    this.#host = host;
    this.#context = context;
  }

  handleCommand(command: CommandBody): void {
    const key = keyOf(command);
    if (this.#answerRepeat(key)) return;
    const { verifier, org, stats } = this.#context;
    const { agentId, machine, identity } = this.#host;
    const verdict = verifier.verify(command, { agentId, org, trust: identity.trust });
    if (!verdict.ok) {
      const { code, message, authentic } = verdict;
      stats.refusedCommands += 1;
      if (authentic) this.#recordOutcome(this.#record(command), { state: 'refused', code, message });
      else this.#report(command, { state: 'refused', code, message }, false);
      return;
    }
    const { claims } = verdict;
    const action = findAction(claims.action);
    const refusal = refusalOf(claims, command, action, machine);
    if (refusal !== undefined || action === undefined) {
      this.#recordOutcome(this.#record(command), refusal ?? UNKNOWN_ACTION);
      return;
    }
    const fate = fateOf(this.#context.behaviour, machine.seed, machine.index, key);
    this.#accept({ key, command, claims, action, fate, entry: undefined, run: undefined });
  }

  cancel(target: { readonly id: string; readonly number: number }): void {
    const key = keyOf(target);
    const job = this.#jobs.get(key);
    if (job === undefined) {
      // The cancel overtook its command. The record keeps the command from running when it comes.
      if (!this.#answerRepeat(key)) this.#recordOutcome(this.#record(target), CANCELLED);
    } else if (job.entry === undefined) {
      this.#dequeue(job);
      this.#recordOutcome(this.#record(target), CANCELLED);
    } else this.#finish(job, { ...CANCELLED, message: 'it was cancelled while it ran' });
  }

  reportKept(target: { readonly id: string; readonly number: number }): void {
    const entry = this.#history.get(keyOf(target));
    if (entry?.outcome !== undefined) this.#pendingReports.delete(entry);
  }

  /** A session is ready: reports that are not kept yet are sent again. */
  connected(): void {
    for (const entry of this.#pendingReports) {
      entry.sent = 0;
      this.#sendReport(entry);
    }
  }

  beat(nowMs: number): void {
    for (const entry of this.#pendingReports) if (entry.repeatAtMs <= nowMs) this.#sendReport(entry);
  }

  /** The agent's process ends without warning. What has started is never started again. */
  interrupt(): void {
    for (const { entry, run } of this.#jobs.values()) {
      if (entry === undefined) continue;
      if (run?.result === 'running') this.#context.oracle.ended(run, 'interrupted');
      entry.outcome = INTERRUPTED;
      this.#pendingReports.add(entry);
    }
    this.#jobs.clear();
    this.#queues.clear();
  }

  #answerRepeat(key: string): boolean {
    const job = this.#jobs.get(key);
    if (job !== undefined) {
      this.#report(job.command, { state: job.entry === undefined ? 'accepted' : 'running', ...NO_DETAILS });
      return true;
    }
    const entry = this.#history.get(key);
    if (entry?.outcome === undefined) return false;
    this.#pendingReports.add(entry);
    this.#sendReport(entry);
    return true;
  }

  #accept(job: Job): void {
    const { lane } = job.action;
    const waiting = this.#queues.get(lane);
    this.#jobs.set(job.key, job);
    if (waiting !== undefined) waiting.push(job);
    else this.#queues.set(lane, [job]);
    if (waiting === undefined) this.#start(job);
    else this.#report(job.command, { state: 'accepted', ...NO_DETAILS });
  }

  #start(job: Job): void {
    const { oracle, schedule, stats } = this.#context;
    const { claims, command, action, fate } = job;
    if (claims.exp * 1_000 <= Date.now()) {
      this.#dequeue(job);
      this.#recordOutcome(this.#record(command), EXPIRED);
      return;
    }
    job.entry = this.#record(command);
    const { id, number } = command;
    const { agentId } = this.#host;
    stats.runs += 1;
    job.run = oracle.started({ agentId, command: id, number, action: action.name, dryRun: claims.dryRun });
    const plan = this.#plan(job);
    const outcome = this.#carryOut(job, plan);
    if (fate.runMs <= 0) {
      this.#finish(job, outcome);
      return;
    }
    // A run that ends at once sends no report of its start.
    this.#report(command, { state: 'running', ...NO_DETAILS });
    const isLate = fate.runMs > claims.timeoutMs;
    schedule.after(Math.min(fate.runMs, claims.timeoutMs), () => this.#finish(job, isLate ? TIMED_OUT : outcome));
  }

  #plan({ claims, command, action, fate }: Job): Plan {
    if (fate.fails) return ending('failed', 'simulated_failure', 'simulated to fail');
    if (action.name === UNDO_ACTION) return this.#planUndo(command, claims);
    return planAction(this.#host.machine, { action, params: claims.params, binding: command.binding });
  }

  #planUndo({ binding }: CommandBody, { params }: CommandClaims): Plan {
    const { command } = params;
    const original = typeof command === 'string' ? this.#history.get(`${command}/${binding?.['target']}`) : undefined;
    const undo = original?.undo;
    if (original === undefined || undo === undefined) {
      return ending('refused', 'nothing_kept', 'nothing to undo is kept on this endpoint');
    }
    return doing([`undo ${original.id}`], () => {
      undo();
      original.undo = undefined;
      return undefined;
    });
  }

  #carryOut({ claims, entry }: Job, plan: Plan): Outcome {
    if (plan.kind === 'end') return plan.outcome;
    if (claims.dryRun)
      return done(
        'dry_run',
        plan.effects.map((effect) => `would ${effect}`),
      );
    const undo = plan.apply();
    if (entry !== undefined) entry.undo = undo;
    return done('ok', plan.effects);
  }

  #finish(job: Job, outcome: Outcome): void {
    const { entry, run, fate } = job;
    // A crash, a cancel or the timeout came first.
    if (this.#jobs.get(job.key) !== job || entry === undefined || run === undefined) return;
    if (fate.crashes === 'before_outcome') {
      this.#crash();
      return;
    }
    if (outcome.state !== 'expired') this.#context.oracle.ended(run, outcome.state);
    this.#jobs.delete(job.key);
    entry.outcome = outcome;
    this.#pendingReports.add(entry);
    if (fate.crashes === 'before_report') {
      this.#crash();
      return;
    }
    this.#sendReport(entry);
    this.#dequeue(job);
  }

  #crash(): void {
    this.#context.stats.crashes += 1;
    this.#host.crash();
  }

  /** Takes a job out of its lane. The next one starts. */
  #dequeue(job: Job): void {
    this.#jobs.delete(job.key);
    const { lane } = job.action;
    const jobs = this.#queues.get(lane);
    const at = jobs?.indexOf(job) ?? -1;
    if (jobs === undefined || at === -1) return;
    jobs.splice(at, 1);
    const [next] = jobs;
    if (next === undefined) this.#queues.delete(lane);
    else if (at === 0) setImmediate(() => this.#startNext(next));
  }

  #startNext(next: Job): void {
    const isFirst = this.#queues.get(next.action.lane)?.[0] === next;
    if (isFirst && next.entry === undefined) this.#start(next);
  }

  #record({ id, number }: { readonly id: string; readonly number: number }): HistoryEntry {
    const entry: HistoryEntry = { id, number, outcome: undefined, undo: undefined, sent: 0, repeatAtMs: 0 };
    this.#history.set(keyOf(entry), entry);
    return entry;
  }

  #recordOutcome(entry: HistoryEntry, outcome: Outcome): void {
    entry.outcome = outcome;
    this.#pendingReports.add(entry);
    this.#sendReport(entry);
  }

  #sendReport(entry: HistoryEntry): void {
    if (entry.outcome === undefined || !this.#report(entry, entry.outcome)) return;
    const { first, most } = REPEAT_MS;
    entry.repeatAtMs = Date.now() + Math.min(most, first * 2 ** entry.sent);
    entry.sent += 1;
  }

  #report(
    { id, number }: { readonly id: string; readonly number: number },
    { state, code, message, effects }: ReportContent,
    authentic = true,
  ): boolean {
    const { stats, behaviour } = this.#context;
    const content = { id, number, state, code, message, authentic };
    const body = encodeBody('report', effects === undefined ? content : { ...content, effects: fit(effects) });
    const frame = encodeFrame(FRAME.report, 0, body);
    if (!this.#host.send(frame)) return false;
    stats.reports += 1;
    if (behaviour.duplicating > 0 && Math.random() < behaviour.duplicating) this.#host.send(frame);
    return true;
  }
}

const NO_DETAILS = { code: '', message: '' };

function fit(effects: readonly string[]): string[] {
  return effects.slice(0, LIMITS.effects).map((effect) => effect.slice(0, LIMITS.effectBytes));
}

function keyOf({ id, number }: { readonly id: string; readonly number: number }): string {
  return `${id}/${number}`;
}
