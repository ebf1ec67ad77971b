/** The exit codes of `muster`. Scripts rely on them; `docs/cli.md` documents them. */
export const EXIT = {
  complete: 0,
  error: 1,
  usage: 2,
  /** It finished, but some endpoints did not answer, some results were not kept, or some targets of a command did not succeed. */
  partial: 3,
  /** A check fails that `--fail-on` names. */
  findings: 4,
  /** Ctrl-C: 128 + SIGINT, as a shell reports it. */
  interrupted: 130,
  /** The reader of the output has closed it: 128 + SIGPIPE. */
  closedPipe: 141,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface CliErrorOptions {
  readonly exitCode?: ExitCode;
  readonly hint?: string;
  readonly excerpt?: readonly string[];
  readonly cause?: unknown;
}

/** Ends the program with a message for the person at the terminal; `hint` names a remedy. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;
  /** Lines shown below the message, for example where in the question the fault is. */
  readonly excerpt: readonly string[];

  constructor(message: string, options: CliErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.error;
    this.hint = options.hint;
    this.excerpt = options.excerpt ?? [];
  }

  /** The same with another remedy. */
  withHint(hint: string): CliError {
    const { message, exitCode, excerpt, cause } = this;
    return new CliError(message, { exitCode, excerpt, hint, cause });
  }

  /** The same with one more line below its message. */
  withLine(line: string): CliError {
    const { message, exitCode, hint, excerpt, cause } = this;
    return new CliError(message, {
      exitCode,
      excerpt: [...excerpt, line],
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

export function usageError(message: string, hint?: string): CliError {
  return new CliError(message, { exitCode: EXIT.usage, ...(hint === undefined ? {} : { hint }) });
}
