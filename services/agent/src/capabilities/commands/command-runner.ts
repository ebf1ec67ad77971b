import {
  type CommandBody,
  type CommandCancelBody,
  type CommandId,
  clipMessage,
  idTimeMs,
  LIMITS,
  type ReportedState,
} from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import type { ActionHost } from '../../actions/contract/action.js';
import type { Actions } from '../../actions/create-actions.js';
import type { CommandHistory } from './command-history.js';
import type { CommandPolicy } from './command-policy.js';
import type { CommandTrust } from './command-trust.js';
import type { UndoStore } from './undo-store.js';
import { KeyedQueues, type QueuePlace } from './keyed-queues.js';
import { type CommandKey, keyText, type Outcome } from './history-entry.js';
import { Outcomes, unrecordable } from './outcomes.js';
import { reportOf, type SendReport } from './report-sender.js';
import { runAction } from './run-action.js';
import { RunningCommand } from './running-command.js';
import { StartRecorder } from './start-recorder.js';
import {
  authenticate,
  type AuthenticationFault,
  authorize,
  type AuthorizedCommand,
  type Endpoint,
  LOST,
} from './verify-command.js';

export interface CommandRunnerOptions {
  readonly endpoint: Endpoint;
  readonly trust: CommandTrust;
  readonly policy: CommandPolicy;
  readonly history: CommandHistory;
  readonly undo: UndoStore;
  readonly host: ActionHost;
  readonly actions: Actions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
  /** Called when no outcome waits for its confirmation any more. */
  readonly onAllKept?: () => void;
  /** After this time `running` is reported. Most actions end sooner. */
  readonly runningAfterMs?: number;
}

const RUNNING_AFTER_MS = 100;

/** A command that waits in its queue or runs. */
interface Entry {
  readonly command: AuthorizedCommand;
  place: QueuePlace | undefined;
  /** It is its turn, and its start cannot be recorded yet. Aborted by a cancel, or the end of the agent. */
  waiting: AbortController | undefined;
  running: RunningCommand | undefined;
}

/**
 * Runs the commands of this endpoint, one at a time for each `lane` of the action catalogue. Commands outlive sessions:
 * a running one goes on when the connection is lost, and its outcome is reported over the next session.
 *
 *     COMMAND ──not authentic──▶ reported (`authentic: false`), forgotten
 *        │ authentic, known ──▶ its state is reported again
 *        │ authentic, new, not authorized ───────────────────────────────────────────────────────┐
 *        ▼                                                                                       ▼
 *     waiting in its queue ──▶ start recorded (disk) ──▶ running ──▶ outcome recorded (disk) ──▶ reported until confirmed
 *        │         history cannot be written: waits for room                                     ▲              │
 *        └── cancelled, expired ─────────────────────────────────────────────────────────────────┘              ▼
 *     CANCEL of an unknown command ──▶ recorded as cancelled (disk) ────────────────────────────▶┘             done
 *
 * A crash while a command waits forgets it, and it is delivered again. A crash after its start was recorded makes it
 * `failed` with code `interrupted`: it never runs again.
 */
export class CommandRunner {
  readonly #options: CommandRunnerOptions;
  readonly #queues = new KeyedQueues();
  readonly #entries = new Map<string, Entry>();
  readonly #outcomes: Outcomes;
  readonly #starts: StartRecorder;
  #isStopped = false;

  constructor(options: CommandRunnerOptions) {
    this.#options = options;
    this.#outcomes = new Outcomes(options);
    this.#starts = new StartRecorder(options);
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
    const authentication = authenticate(body, trust, endpoint);
    if (authentication.kind === 'rejected') {
      // A known command was authentic when it came; that its key was retired since then changes nothing.
      const isOld = authentication.code === 'retired_key' || authentication.code === 'unknown_key';
      return isOld && this.#repeat(key) ? undefined : this.#reject(key, authentication);
    }
    if (this.#repeat(key)) return;
    const { claims } = authentication;
    const { clock, history, logger, policy, undo } = this.#options;
    const authorization = authorize(body, claims, {
      policy,
      nowMs: clock.now(),
      history,
      undoOf: (asked) => undo.get(asked),
    });
    if (authorization.ok) return this.#accept(authorization.command);
    const { state, code, message } = authorization;
    const about = { action: claims.action, expiresAtMs: claims.exp * 1_000, signedAtMs: claims.iat * 1_000 };
    logger.warn('command refused', { command: key.id, number: key.number, action: claims.action, code });
    this.#outcomes.settle({ ...key, ...about, kept: false }, { state, code, message });
  }

  /** Reported like a command with a wrong signature: nothing is known of it but which one it is. */
  onUnreadable(key: CommandKey, fault: string): void {
    if (!this.#repeat(key))
      this.#reject(key, { code: 'malformed', message: `the delivery is not understood: ${fault}` });
  }

  onCancel(body: CommandCancelBody): void {
    const { logger } = this.#options;
    const key = { id: body.id as CommandId, number: body.number };
    const entry = this.#entries.get(keyText(key));
    if (entry === undefined) {
      if (this.#repeat(key)) return;
      const isLost = idTimeMs(key.id) <= this.#options.history.lostUpToMs;
      return this.#outcomes.cancelUnseen(key, isLost ? LOST : CANCELLED);
    }
    logger.info('command cancelled', { command: key.id, number: key.number });
    if (entry.running !== undefined) entry.running.cancel();
    else if (entry.place?.cancel() !== false) this.#end(entry, CANCELLED);
    else entry.waiting?.abort();
  }

  onReportKept(key: CommandKey): void {
    this.#outcomes.onKept(key);
  }

  /**
   * Waiting commands are forgotten, and delivered again after the next start. Running ones are told to end and get a
   * few seconds for it.
   */
  async stop(signal?: AbortSignal): Promise<void> {
    this.#isStopped = true;
    for (const { waiting } of this.#entries.values()) waiting?.abort();
    const running = [...this.#entries.values()].flatMap((entry) =>
      entry.running === undefined ? [] : [entry.running],
    );
    for (const one of running) one.stop();
    const ended = Promise.all(running.map((one) => one.outcome)).then(() => undefined);
    await Promise.race([ended, aborted(signal)]);
    this.#outcomes.stop();
  }

  /** Reports again what is known of a command. `false` when it is unknown. */
  #repeat(key: CommandKey): boolean {
    const entry = this.#entries.get(keyText(key));
    if (entry !== undefined) {
      if (entry.running === undefined && entry.waiting !== undefined)
        this.#outcomes.mention(unrecordable(key, { hasRun: false }));
      else this.#mention(key, entry.running === undefined ? 'accepted' : 'running');
      return true;
    }
    return this.#outcomes.repeat(key);
  }

  #accept(command: AuthorizedCommand): void {
    if (this.#isStopped) return;
    const entry: Entry = { command, place: undefined, waiting: undefined, running: undefined };
    this.#entries.set(keyText(command), entry);
    const { lane } = command.action;
    const waits = !this.#queues.isFree(lane);
    const place = this.#queues.add(lane, { run: () => this.#run(entry) });
    if (place === undefined) {
      return this.#end(entry, refusal('busy', `too many commands wait for the lane "${lane}" on this endpoint`));
    }
    entry.place = place;
    if (waits) this.#mention(command, 'accepted');
  }

  async #run(entry: Entry): Promise<void> {
    const { clock, logger } = this.#options;
    const { command } = entry;
    // A stopping agent starts nothing; the command is delivered again after the next start.
    if (this.#isStopped) return;
    let recorded: Awaited<ReturnType<StartRecorder['recordLater']>> | 'no_room' = this.#starts.record(command);
    if (recorded === 'no_room') recorded = await this.#waitForRoom(entry);
    if (recorded === 'expired') return this.#end(entry, EXPIRED_WAITING);
    if (recorded === 'aborted') return this.#isStopped ? undefined : this.#end(entry, CANCELLED);
    logger.info('command runs', { command: command.id, number: command.number, action: command.action.name });
    entry.running = new RunningCommand(
      (signal, onGivenUp) => runAction(command, this.#options, { signal, onGivenUp }),
      {
        clock,
        timeoutMs: Math.min(command.timeoutMs, LIMITS.commandTimeoutMaxMs),
        onLate: ({ state, code }) =>
          logger.warn('a command ended after it was given up', {
            command: command.id,
            number: command.number,
            state,
            code,
          }),
      },
    );
    const late = clock.setTimeout(
      () => this.#mention(command, 'running'),
      this.#options.runningAfterMs ?? RUNNING_AFTER_MS,
    );
    const outcome = await entry.running.outcome;
    clock.clear(late);
    this.#end(entry, outcome);
  }

  #waitForRoom(entry: Entry): ReturnType<StartRecorder['recordLater']> {
    entry.waiting = new AbortController();
    this.#outcomes.mention(unrecordable(entry.command, { hasRun: false }));
    return this.#starts.recordLater(entry.command, entry.waiting.signal);
  }

  #end({ command }: Entry, outcome: Outcome): void {
    this.#entries.delete(keyText(command));
    const { action, expiresAtMs, signedAtMs, id, number } = command;
    const { state, code } = outcome;
    this.#options.logger.info('command ended', { command: id, number, action: action.name, state, code });
    this.#outcomes.settle({ id, number, action: action.name, expiresAtMs, signedAtMs, kept: false }, outcome);
  }

  #reject(key: CommandKey, { code, message }: { readonly code: AuthenticationFault; readonly message: string }): void {
    this.#options.logger.warn('command not authentic', { command: key.id, number: key.number, code });
    this.#outcomes.mention(reportOf(key, refusal(code, clipMessage(message)), false));
  }

  #mention(key: CommandKey, state: Exclude<ReportedState, Outcome['state']>): void {
    this.#outcomes.mention({ id: key.id, number: key.number, state, code: '', message: '', authentic: true });
  }
}

const CANCELLED: Outcome = { state: 'cancelled', code: 'cancelled', message: 'it was cancelled before it began' };
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
