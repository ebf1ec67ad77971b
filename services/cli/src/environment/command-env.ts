import { ApiClient } from '@muster/api-client';
import type { ExitCode } from '../terminal/cli-error.js';
import type { Terminal } from '../terminal/terminal.js';
import { asCliError } from './api-fault.js';
import { resolveContext, type Context } from './context.js';
import { createNodeFetch, type NodeFetch } from './node-fetch.js';

/** What every command is given. */
export interface CommandEnv {
  readonly terminal: Terminal;
  /** The context in force. @throws CliError when there is none */
  context(): Context;
  /** One client for the whole command, made when it is first needed. @throws CliError when there is no context */
  client(): ApiClient;
  /** Where the console shows a query; undefined when no console is configured. */
  link(queryId: string): string | undefined;
  /** An error of the client as the person at the terminal sees it; other errors as they are. */
  cliError(error: unknown, excerpt?: readonly string[]): unknown;
  /** Sets what the process ends with. */
  exit(code: ExitCode): void;
}

export class ProcessEnv implements CommandEnv {
  readonly terminal: Terminal;
  exitCode: ExitCode = 0;
  /** `--context`. */
  contextName: string | undefined;
  #connection: { readonly context: Context; readonly http: NodeFetch; readonly client: ApiClient } | undefined;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  context(): Context {
    return resolveContext(this.terminal, this.contextName);
  }

  client(): ApiClient {
    return (this.#connection ??= connect(this.context())).client;
  }

  link(queryId: string): string | undefined {
    const { consoleUrl } = this.context();
    return consoleUrl === undefined ? undefined : `${consoleUrl.replace(/\/+$/, '')}/ask/${queryId}`;
  }

  cliError(error: unknown, excerpt?: readonly string[]): unknown {
    return this.#connection === undefined ? error : asCliError(error, this.#connection.context, excerpt);
  }

  exit(code: ExitCode): void {
    this.exitCode = code;
  }

  close(): void {
    this.#connection?.http.close();
  }
}

function connect(context: Context) {
  const http = createNodeFetch(context);
  const { apiUrl: url, token } = context;
  // A person at a terminal sees a failure at once. Only `submit` repeats calls, and says so.
  return { context, http, client: new ApiClient({ url, token, fetch: http.fetch, retry: { attempts: 1 } }) };
}
