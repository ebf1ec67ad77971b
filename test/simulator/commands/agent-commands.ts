import { findAction, parseParams, UNDO_ACTION, type ActionDefinition } from '@muster/actions';
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
import type { Run } from './oracle.js';
import type { Trust } from './order-verifier.js';
import { doing, ending, type Outcome, type Plan, type Undo } from './plan.js';
import { planAction } from './simulated-actions.js';

/** The agent that takes the commands. */
export interface CommandHost {
  readonly machine: Machine;
  readonly agentId: string;
  readonly identity: { readonly trust: Trust };
  /** False when there is no session to send it on. */
  send(frame: Uint8Array): boolean;
  /** Ends at once, and comes back later. */
  crash(): void;
}

/** What a report says. */
type Said = Omit<Outcome, 'state'> & Pick<ReportBody, 'state'>;

/** A line of the ledger: survives everything but the end of the simulator. */
interface Entry {
  readonly id: string;
  readonly number: number;
  /** `undefined` while it runs. */
  outcome: Outcome | undefined;
  undo: Undo | undefined;
  sent: number;
  repeatAtMs: number;
}

/** An accepted order: gone with a crash. */
interface Job {
  readonly key: string;
  readonly order: CommandBody;
  readonly claims: CommandClaims;
  readonly action: ActionDefinition;
  readonly fate: Fate;
  entry: Entry | undefined;
  run: Run | undefined;
}

const REPEAT_MS = { first: 1_000, most: 30_000 };

/**
 * Commands on one simulated agent, in the order of a real one: believe it, note that it starts, run, note the outcome, report it until that is kept.
 * What is noted outlives crashes; what is accepted and has not started does not.
 */
export class AgentCommands {
  readonly #host: CommandHost;
  readonly #context: CommandContext;
  readonly #ledger = new Map<string, Entry>();
  readonly #unkept = new Set<Entry>();
  /** Accepted orders, the first of each lane running. */
  readonly #lanes = new Map<string, Job[]>();
  readonly #jobs = new Map<string, Job>();

  constructor(host: CommandHost, context: CommandContext) {
    this.#host = host;
    this.#context = context;
  }

  take(order: CommandBody): void {
    const key = keyOf(order);
    if (this.#answerKnown(key)) return;
    const { verifier, org, stats } = this.#context;
    const { agentId, machine, identity } = this.#host;
    const verdict = verifier.verify(order, { agentId, org, trust: identity.trust });
    if (!verdict.ok) {
      const { code, message, authentic } = verdict;
      stats.refusedOrders += 1;
      if (authentic) this.#settle(this.#note(order), { state: 'refused', code, message });
      else this.#report(order, { state: 'refused', code, message }, false);
      return;
    }
    const { claims } = verdict;
    const action = findAction(claims.action);
    const objection = objectionTo(claims, order, action, machine);
    if (objection !== undefined || action === undefined) {
      this.#settle(this.#note(order), objection ?? UNKNOWN);
      return;
    }
    const fate = fateOf(this.#context.behaviour, machine.seed, machine.index, key);
    this.#accept({ key, order, claims, action, fate, entry: undefined, run: undefined });
  }

  cancel(target: { readonly id: string; readonly number: number }): void {
    const key = keyOf(target);
    const job = this.#jobs.get(key);
    if (job === undefined) {
      // Noted before the order has come: then the order finds it, and does not run.
      if (!this.#answerKnown(key)) this.#settle(this.#note(target), CANCELLED);
    } else if (job.entry === undefined) {
      this.#leave(job);
      this.#settle(this.#note(target), CANCELLED);
    } else this.#finish(job, { ...CANCELLED, message: 'it was told to stop' });
  }

  kept(target: { readonly id: string; readonly number: number }): void {
    const entry = this.#ledger.get(keyOf(target));
    if (entry?.outcome !== undefined) this.#unkept.delete(entry);
  }

  /** A new session: everything that nobody has kept is said again. */
  connected(): void {
    for (const entry of this.#unkept) {
      entry.sent = 0;
      this.#say(entry);
    }
  }

  beat(nowMs: number): void {
    for (const entry of this.#unkept) if (entry.repeatAtMs <= nowMs) this.#say(entry);
  }

  /** The process ends without warning. What ran is never run again. */
  lose(): void {
    for (const { entry, run } of this.#jobs.values()) {
      if (entry === undefined) continue;
      if (run?.result === 'running') this.#context.oracle.ended(run, 'interrupted');
      entry.outcome = INTERRUPTED;
      this.#unkept.add(entry);
    }
    this.#jobs.clear();
    this.#lanes.clear();
  }

  #answerKnown(key: string): boolean {
    const job = this.#jobs.get(key);
    if (job !== undefined) {
      this.#report(job.order, { state: job.entry === undefined ? 'accepted' : 'running', ...SILENT });
      return true;
    }
    const entry = this.#ledger.get(key);
    if (entry?.outcome === undefined) return false;
    this.#unkept.add(entry);
    this.#say(entry);
    return true;
  }

  #accept(job: Job): void {
    const { lane } = job.action;
    const waiting = this.#lanes.get(lane);
    this.#jobs.set(job.key, job);
    if (waiting !== undefined) waiting.push(job);
    else this.#lanes.set(lane, [job]);
    if (waiting === undefined) this.#start(job);
    else this.#report(job.order, { state: 'accepted', ...SILENT });
  }

  #start(job: Job): void {
    const { oracle, agenda, stats } = this.#context;
    const { claims, order, action, fate } = job;
    if (claims.exp * 1_000 <= Date.now()) {
      this.#leave(job);
      this.#settle(this.#note(order), EXPIRED);
      return;
    }
    job.entry = this.#note(order);
    const { id: command, number } = order;
    const { agentId } = this.#host;
    stats.runs += 1;
    job.run = oracle.began({ agentId, command, number, action: action.name, dryRun: claims.dryRun });
    const plan = this.#plan(job);
    const outcome = this.#carryOut(job, plan);
    if (fate.runMs <= 0) {
      this.#finish(job, outcome);
      return;
    }
    // What is over at once needs no word of having begun.
    this.#report(order, { state: 'running', ...SILENT });
    const isLate = fate.runMs > claims.timeoutMs;
    agenda.after(Math.min(fate.runMs, claims.timeoutMs), () => this.#finish(job, isLate ? TIMED_OUT : outcome));
  }

  #plan({ claims, order, action, fate }: Job): Plan {
    if (fate.fails) return ending('failed', 'simulated_failure', 'told to fail');
    if (action.name === UNDO_ACTION) return this.#planUndo(order, claims);
    return planAction(this.#host.machine, { action, params: claims.params, binding: order.binding });
  }

  #planUndo({ binding }: CommandBody, { params }: CommandClaims): Plan {
    const { command } = params;
    const original = typeof command === 'string' ? this.#ledger.get(`${command}/${binding?.['target']}`) : undefined;
    const undo = original?.undo;
    if (original === undefined || undo === undefined) {
      return ending('refused', 'nothing_kept', 'nothing of it is kept here');
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
    // A crash, a cancellation or the end of its time has come before.
    if (this.#jobs.get(job.key) !== job || entry === undefined || run === undefined) return;
    if (fate.crashes === 'before_outcome') {
      this.#crash();
      return;
    }
    if (outcome.state !== 'expired') this.#context.oracle.ended(run, outcome.state);
    this.#jobs.delete(job.key);
    entry.outcome = outcome;
    this.#unkept.add(entry);
    if (fate.crashes === 'before_report') {
      this.#crash();
      return;
    }
    this.#say(entry);
    this.#leave(job);
  }

  #crash(): void {
    this.#context.stats.crashes += 1;
    this.#host.crash();
  }

  /** Takes a job out of its lane; the next one starts. */
  #leave(job: Job): void {
    this.#jobs.delete(job.key);
    const { lane } = job.action;
    const jobs = this.#lanes.get(lane);
    const at = jobs?.indexOf(job) ?? -1;
    if (jobs === undefined || at === -1) return;
    jobs.splice(at, 1);
    const [next] = jobs;
    if (next === undefined) this.#lanes.delete(lane);
    else if (at === 0) setImmediate(() => this.#startNext(next));
  }

  #startNext(next: Job): void {
    const isFirst = this.#lanes.get(next.action.lane)?.[0] === next;
    if (isFirst && next.entry === undefined) this.#start(next);
  }

  #note({ id, number }: { readonly id: string; readonly number: number }): Entry {
    const entry: Entry = { id, number, outcome: undefined, undo: undefined, sent: 0, repeatAtMs: 0 };
    this.#ledger.set(keyOf(entry), entry);
    return entry;
  }

  #settle(entry: Entry, outcome: Outcome): void {
    entry.outcome = outcome;
    this.#unkept.add(entry);
    this.#say(entry);
  }

  #say(entry: Entry): void {
    if (entry.outcome === undefined || !this.#report(entry, entry.outcome)) return;
    const { first, most } = REPEAT_MS;
    entry.repeatAtMs = Date.now() + Math.min(most, first * 2 ** entry.sent);
    entry.sent += 1;
  }

  #report(
    { id, number }: { readonly id: string; readonly number: number },
    { state, code, message, effects }: Said,
    authentic = true,
  ): boolean {
    const { stats, behaviour } = this.#context;
    const said = { id, number, state, code, message, authentic };
    const body = encodeBody('report', effects === undefined ? said : { ...said, effects: fit(effects) });
    const frame = encodeFrame(FRAME.report, 0, body);
    if (!this.#host.send(frame)) return false;
    stats.reports += 1;
    if (behaviour.duplicating > 0 && Math.random() < behaviour.duplicating) this.#host.send(frame);
    return true;
  }
}

const SILENT = { code: '', message: '' };
const CANCELLED: Outcome = { state: 'cancelled', code: 'cancelled', message: 'it was cancelled before it began' };
const EXPIRED: Outcome = { state: 'expired', code: 'expired', message: 'it came after its expiry' };
const TIMED_OUT: Outcome = { state: 'timed_out', code: 'timed_out', message: 'its time ran out' };
const INTERRUPTED: Outcome = { state: 'failed', code: 'interrupted', message: 'the agent ended while it ran' };
const UNKNOWN: Outcome = { state: 'unsupported', code: 'unknown_action', message: 'this agent has no such action' };
/** Most outcomes are the same; agents share them. */
const DONE = new Map<string, Outcome>();

function done(code: string, effects: readonly string[]): Outcome {
  const key = `${code} ${effects.join('\n')}`;
  const known = DONE.get(key);
  if (known !== undefined) return known;
  const outcome: Outcome = { state: 'succeeded', code, message: '', effects };
  if (DONE.size < 1_000) DONE.set(key, outcome);
  return outcome;
}

/** Why an order that is believed is not accepted. */
function objectionTo(
  claims: CommandClaims,
  { binding }: CommandBody,
  action: ActionDefinition | undefined,
  { profile }: Machine,
): Outcome | undefined {
  if (claims.exp * 1_000 <= Date.now()) return EXPIRED;
  if (action === undefined) return UNKNOWN;
  if (!action.platforms.includes(profile.os)) {
    const message = `${action.name} is for ${action.platforms.join(' and ')}; this endpoint runs ${profile.os}`;
    return { state: 'unsupported', code: 'platform', message };
  }
  const checked = CHECKED[binding !== null && action.name !== UNDO_ACTION ? 'bound' : 'free'];
  if (!checked.has(claims)) checked.set(claims, paramsObjection(claims, action, checked === CHECKED.bound));
  return checked.get(claims);
}

/** What was verified once is one object for all agents, and so are its parameters. */
const CHECKED = {
  bound: new WeakMap<CommandClaims, Outcome | undefined>(),
  free: new WeakMap<CommandClaims, Outcome | undefined>(),
};

function paramsObjection({ params }: CommandClaims, action: ActionDefinition, bound: boolean): Outcome | undefined {
  const parsed = parseParams(action, params, { bound });
  if (parsed.ok) return undefined;
  const [fault] = parsed.faults;
  return { state: 'refused', code: 'bad_params', message: `${fault?.path ?? ''}: ${fault?.message ?? ''}` };
}

function fit(effects: readonly string[]): string[] {
  return effects.slice(0, LIMITS.effects).map((effect) => effect.slice(0, LIMITS.effectBytes));
}

function keyOf({ id, number }: { readonly id: string; readonly number: number }): string {
  return `${id}/${number}`;
}
