import {
  type CommandBody,
  type CommandCancelBody,
  type CommandId,
  encodeBody,
  FRAME,
  type ReportKeptBody,
} from '@muster/protocol';
import type { SessionConnection } from '../../contract/session-connection.js';
import type { SessionWork } from '../../contract/session-work.js';
import type { CommandRunner } from './command-runner.js';
import type { SendReport } from './report-sender.js';

export interface SessionCommandsOptions {
  readonly connection: Pick<SessionConnection, 'send'>;
  readonly runner: CommandRunner;
}

/** Commands over one session. They do not end with it: the runner says over the next one what came of them. */
export class SessionCommands implements SessionWork {
  readonly #runner: CommandRunner;
  readonly #send: SendReport;

  constructor({ connection, runner }: SessionCommandsOptions) {
    this.#runner = runner;
    this.#send = (report, { urgent }) => connection.send(FRAME.report, 0, encodeBody('report', report), { urgent });
    runner.attach(this.#send);
  }

  onCommand(body: CommandBody): void {
    this.#runner.onCommand(body);
  }

  onCommandCancel(body: CommandCancelBody): void {
    this.#runner.onCancel(body);
  }

  onReportKept({ id, number }: ReportKeptBody): void {
    this.#runner.onReportKept({ id: id as CommandId, number });
  }

  onWritable(): void {
    this.#runner.onWritable();
  }

  end(): void {
    this.#runner.detach(this.#send);
  }
}
