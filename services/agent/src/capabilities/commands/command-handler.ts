import { CAPABILITY, type CommandId, encodeBody, FRAME, type WelcomeBody } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import type { ActionHost } from '../../actions/contract/action.js';
import type { Actions } from '../../actions/create-actions.js';
import type { Capability } from '../../contract/capability.js';
import type { Session } from '../../contract/session.js';
import type { FrameHandlers } from '../../contract/session-frames.js';
import type { Enroller } from '../../identity/enroller.js';
import { AgreedTime } from './agreed-time.js';
import { CommandHistory } from './command-history.js';
import { type CommandPolicy, takesCommands } from './command-policy.js';
import { CommandRunner } from './command-runner.js';
import type { CommandTrust } from './command-trust.js';
import type { HelloRenewal } from './hello-renewal.js';
import type { SendReport } from './report-sender.js';
import { RootsRequest } from './roots-request.js';
import { UndoStore } from './undo-store.js';
import type { Endpoint } from './verify-command.js';

export interface CommandHandlerOptions {
  readonly endpoint: Endpoint;
  /** The data directory. */
  readonly folder: string;
  readonly policy: CommandPolicy;
  readonly trust: CommandTrust;
  readonly enroller: Pick<Enroller, 'canEnrol' | 'enrol'>;
  readonly host: ActionHost;
  readonly actions: Actions;
  readonly renewal: HelloRenewal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Runs commands. They do not end with the session: the outcome is reported over the next one. */
export class CommandHandler implements Capability {
  readonly frames: FrameHandlers = {
    command: (body) => this.#runner.onCommand(body),
    unreadableCommand: ({ id, number, fault }) => this.#runner.onUnreadable({ id: id as CommandId, number }, fault),
    commandCancel: (body) => this.#runner.onCancel(body),
    reportKept: ({ id, number }) => this.#runner.onReportKept({ id: id as CommandId, number }),
  };
  readonly #options: CommandHandlerOptions;
  readonly #time: AgreedTime;
  readonly #history: CommandHistory;
  readonly #undo: UndoStore;
  readonly #runner: CommandRunner;
  readonly #rootsRequest: RootsRequest;

  /** Throws when the history cannot be read: an agent that does not know which commands it ran must not start. */
  constructor(options: CommandHandlerOptions) {
    this.#options = options;
    const { folder, clock, logger, enroller, renewal, trust } = options;
    this.#time = new AgreedTime(clock);
    this.#history = CommandHistory.open({ folder, time: this.#time, logger });
    this.#undo = new UndoStore({ folder, time: this.#time, logger });
    this.#runner = new CommandRunner({
      ...options,
      history: this.#history,
      undo: this.#undo,
      onAllKept: () => renewal.allKept(),
    });
    this.#rootsRequest = new RootsRequest({
      trust,
      enrol: (signal) => enroller.enrol(signal),
      onPinned: () => renewal.request(),
      clock,
      logger,
    });
  }

  flags(): readonly string[] {
    return this.#options.trust.hasRoots && takesCommands(this.#options.policy) ? [CAPABILITY.command] : [];
  }

  ready(session: Session, { commandKeys }: WelcomeBody): void {
    const { enroller, policy, trust } = this.#options;
    const send: SendReport = (report, { urgent }) =>
      session.send(FRAME.report, 0, encodeBody('report', report), { urgent });
    this.#time.heard(session.serverTimeMs);
    this.#history.sessionBegan();
    this.#undo.dropOld();
    this.#runner.attach(send);
    if (commandKeys !== undefined) trust.acceptKeys(commandKeys);
    if (enroller.canEnrol && takesCommands(policy)) this.#rootsRequest.onReady();
  }

  writable(): void {
    this.#runner.onWritable();
  }

  ended(): void {
    this.#runner.detach();
  }

  async stop(signal?: AbortSignal): Promise<void> {
    this.#rootsRequest.stop();
    this.#options.renewal.stop();
    await this.#runner.stop(signal);
  }
}
