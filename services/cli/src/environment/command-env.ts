import { resolveContext, type Context } from './context.js';
import type { ExitCode } from '../terminal/cli-error.js';
import { ApiClient } from './api-client.js';
import type { Terminal } from '../terminal/terminal.js';

/** What every command is given. */
export interface CommandEnv {
  readonly terminal: Terminal;
  /** The context in force. @throws CliError when there is none */
  context(): Context;
  /** One client for the whole command, made when it is first needed. */
  client(): ApiClient;
  /** Sets what the process ends with. */
  exit(code: ExitCode): void;
}

export class ProcessEnv implements CommandEnv {
  readonly terminal: Terminal;
  exitCode: ExitCode = 0;
  /** `--context`. */
  contextName: string | undefined;
  #client: ApiClient | undefined;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  context(): Context {
    return resolveContext(this.terminal, this.contextName);
  }

  client(): ApiClient {
    return (this.#client ??= new ApiClient(this.context()));
  }

  exit(code: ExitCode): void {
    this.exitCode = code;
  }

  close(): void {
    this.#client?.close();
  }
}
