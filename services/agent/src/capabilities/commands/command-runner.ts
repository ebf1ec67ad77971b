import {
  type CommandBody,
  type CommandCancelBody,
  type CommandId,
  clipMessage,
  LIMITS,
  type ReportedState,
} from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import type { ActionCall, ActionHost, JsonValue } from '../../actions/contract/action.js';
import type { Actions } from '../../actions/create-actions.js';
import type { CommandHistory } from './command-history.js';
import type { CommandPolicy } from './command-policy.js';
import type { CommandTrust } from './command-trust.js';
import type { UndoStore } from './undo-store.js';
import { KeyedQueues, type LanePlace } from './keyed-queues.js';
import { type CommandKey, keyText, type Outcome } from './history-entry.js';
import { Outcomes } from './outcomes.js';
import { reportOf, type SendReport } from './report-sender.js';
import { RunningCommand } from './running-command.js';
import { authenticate, type Disbelief, type Endpoint, judge, type Order } from './verify-command.js';

export interface CommandRunnerOptions {
  readonly endpoint: Endpoint;
  readonly trust: CommandTrust;
  readonly policy: CommandPolicy;
  readonly history: CommandHistory;
  readonly undo: UndoStore;
  readonly host: ActionHost;
  /** Loaded with the first command: most endpoints never get one. */
  readonly loadActions: () => Promise<Actions>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
  /** Called when the last outcome that was to be confirmed is. */
  readonly onAllKept?: () => void;
  /** How long an action runs before that is said: most are over sooner, and their outcome says enough. */
  readonly runningAfterMs?: number;
}

const RUNNING_AFTER_MS = 100;

/** Under way here: in its lane, and then running. */
interface Entry {
  readonly order: Order;
  place: LanePlace | undefined;
  running: RunningCommand | undefined;
}

/**
 * Commands on this endpoint. Outlives sessions: what runs goes on when the connection is lost, and its outcome is said over the next one.
 *
 *     COMMAND ──not believed──▶ reported (`authentic: false`), forgotten
 *        │ authentic, known ──▶ what is known of it is reported again
 *        │ authentic, new, may not run ──────────────────────────────────────────────────┐
 *        ▼                                                                               ▼
 *     waiting for its lane ──▶ noted as started (disk) ──▶ running ──▶ outcome noted (disk) ──▶ reported, again and again
 *        │                                                                               ▲              │ kept
 *        └── cancelled, expired, ledger cannot be written ───────────────────────────────┘              ▼
 *     CANCEL of what never came ──▶ noted as cancelled (disk) ──────────────────────────▶┘           at rest
 *
 * A crash while it waits forgets it, and it is delivered again. A crash after the note makes it `failed`, code `interrupted`: it never runs again.
 */
export class CommandRunner {
  readonly #options: CommandRunnerOptions;
  readonly #lanes = new KeyedQueues();
  readonly #entries = new Map<string, Entry>();
  readonly #outcomes: Outcomes;
  #isStopped = false;

  constructor(options: CommandRunnerOptions) {
    this.#options = options;
    this.#outcomes = new Outcomes(options);
  }

  /** Waiting or running. */
  get active(): number {
    return this.#entries.size;
  }

  attach(send: SendReport): void {
    this.#outcomes.attach(send);
  }

  detach(): void {
    this.#outcomes.detach();
  }

  onWritable(): void {
    this.#outcomes.onWritable();
  }

  onCommand(body: CommandBody): void {
    const { trust, endpoint } = this.#options;
    const key = { id: body.id as CommandId, number: body.number };
    const believed = authenticate(body, trust, endpoint);
    if (believed.kind === 'disbelieved') {
      // What was authentic when it came is known by its id; that the key is retired since changes nothing.
      const isOld = believed.code === 'retired_key' || believed.code === 'unknown_key';
      return isOld && this.#repeat(key) ? undefined : this.#disbelieve(key, believed);
    }
    if (this.#repeat(key)) return;
    const { claims } = believed;
    const about = { action: claims.action, expiresAtMs: claims.exp * 1_000 };
    const judged = judge(body, claims, {
      policy: this.#options.policy,
      nowMs: this.#options.clock.now(),
      overMs: this.#options.history.forgottenUpToMs,
      undoOf: (asked) => this.#options.undo.get(asked),
    });
    if (!judged.ok) {
      const { state, code, message } = judged;
      this.#options.logger.warn('command refused', {
        command: key.id,
        number: key.number,
        action: claims.action,
        code,
      });
      return this.#outcomes.settle({ ...key, ...about, kept: false }, { state, code, message });
    }
    this.#accept(judged.order);
  }

  onCancel(body: CommandCancelBody): void {
    const { logger } = this.#options;
    const key = { id: body.id as CommandId, number: body.number };
    const entry = this.#entries.get(keyText(key));
    if (entry === undefined) {
      if (this.#repeat(key)) return;
      return this.#outcomes.cancelUnseen(key, CANCELLED);
    }
    logger.info('command cancelled', { command: key.id, number: key.number });
    if (entry.running !== undefined) entry.running.cancel();
    else if (entry.place?.leave() !== false) this.#end(entry, CANCELLED);
  }

  onReportKept(key: CommandKey): void {
    this.#outcomes.onKept(key);
  }

  /** What waits is forgotten, and comes again to the next start; what runs is told to end, and given a few seconds. */
  async stop(signal?: AbortSignal): Promise<void> {
    this.#isStopped = true;
    const running = [...this.#entries.values()].flatMap((entry) =>
      entry.running === undefined ? [] : [entry.running],
    );
    for (const one of running) one.stop();
    const ended = Promise.all(running.map((one) => one.outcome)).then(() => undefined);
    await Promise.race([ended, aborted(signal)]);
    this.#outcomes.stop();
  }

  /** Says again what is known of a command. `false` when nothing is. */
  #repeat(key: CommandKey): boolean {
    const entry = this.#entries.get(keyText(key));
    if (entry !== undefined) {
      this.#mention(key, entry.running === undefined ? 'accepted' : 'running');
      return true;
    }
    return this.#outcomes.repeat(key);
  }

  #accept(order: Order): void {
    if (this.#isStopped) return;
    const entry: Entry = { order, place: undefined, running: undefined };
    this.#entries.set(keyText(order), entry);
    const { lane } = order.action;
    const waits = !this.#lanes.isFree(lane);
    const place = this.#lanes.enter(lane, { run: () => this.#run(entry) });
    if (place === undefined) {
      return this.#end(entry, refusal('busy', `too many commands wait for the lane "${lane}" on this endpoint`));
    }
    entry.place = place;
    if (waits) this.#mention(order, 'accepted');
  }

  async #run(entry: Entry): Promise<void> {
    const { clock, history, logger, trust } = this.#options;
    const { order } = entry;
    // A stopping agent begins nothing; it is delivered again to the next start.
    if (this.#isStopped) return;
    if (order.expiresAtMs <= clock.now()) return this.#end(entry, EXPIRED_WAITING);
    try {
      if (!trust.ensureStored()) throw new Error('command trust cannot be stored');
      history.started(order, { action: order.action.name, expiresAtMs: order.expiresAtMs });
    } catch (error) {
      logger.error('command history cannot be written; the command does not run', { command: order.id, err: error });
      this.#entries.delete(keyText(order));
      return this.#outcomes.keepInMind(order, UNAVAILABLE);
    }
    logger.info('command runs', { command: order.id, number: order.number, action: order.action.name });
    entry.running = new RunningCommand((signal) => this.#act(order, signal), {
      clock,
      timeoutMs: Math.min(order.timeoutMs, LIMITS.commandTimeoutMaxMs),
      onLate: ({ state, code }) =>
        logger.warn('a command ended after it was given up', { command: order.id, number: order.number, state, code }),
    });
    const late = clock.setTimeout(
      () => this.#mention(order, 'running'),
      this.#options.runningAfterMs ?? RUNNING_AFTER_MS,
    );
    const outcome = await entry.running.outcome;
    clock.clear(late);
    this.#end(entry, outcome);
  }

  async #act(order: Order, signal: AbortSignal): Promise<Awaited<ReturnType<Actions['run']>>> {
    const { host, loadActions, undo } = this.#options;
    const actions = await loadActions();
    const { action, binding, dryRun, id, number, params, undoes } = order;
    const call: ActionCall = {
      action,
      params,
      ...(binding !== undefined && { binding }),
      dryRun,
      signal,
      id,
      number,
      host,
      // An undo is not undone: it is done again.
      keepUndo: (info: JsonValue) => undoes === undefined && undo.keep(order, { action: action.name, info }),
    };
    if (undoes === undefined) return await actions.run(call);
    const result = await actions.undo(call, undoes.kept.action, undoes.kept.info);
    if (result.state === 'succeeded' && !dryRun) this.#dropUndo(undoes.key);
    return result;
  }

  #end({ order }: Entry, outcome: Outcome): void {
    this.#entries.delete(keyText(order));
    const { action, expiresAtMs, id, number } = order;
    const { state, code } = outcome;
    this.#options.logger.info('command ended', { command: id, number, action: action.name, state, code });
    this.#outcomes.settle({ id, number, action: action.name, expiresAtMs, kept: false }, outcome);
  }

  #dropUndo(key: CommandKey): void {
    try {
      this.#options.undo.drop(key);
    } catch (error) {
      this.#options.logger.error('what was undone cannot be forgotten', { command: key.id, err: error });
    }
  }

  #disbelieve(key: CommandKey, { code, message }: { readonly code: Disbelief; readonly message: string }): void {
    this.#options.logger.warn('command not believed', { command: key.id, number: key.number, code });
    this.#outcomes.mention(reportOf(key, refusal(code, clipMessage(message)), false));
  }

  #mention(key: CommandKey, state: Exclude<ReportedState, Outcome['state']>): void {
    this.#outcomes.mention({ id: key.id, number: key.number, state, code: '', message: '', authentic: true });
  }
}

const CANCELLED: Outcome = { state: 'cancelled', code: 'cancelled', message: 'it was cancelled before it began' };
const UNAVAILABLE: Outcome = {
  state: 'refused',
  code: 'ledger_unavailable',
  message: 'this endpoint cannot write down what it runs, so it does not run it; is its disk full?',
};
const EXPIRED_WAITING: Outcome = {
  state: 'expired',
  code: 'expired',
  message: 'it expired while it waited for its turn',
};

function refusal(code: string, message: string): Outcome {
  return { state: 'refused', code, message };
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
}
