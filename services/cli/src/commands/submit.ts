import { randomUUID } from 'node:crypto';
import { ApiProblem, ConnectionError, nothingDone, UnexpectedAnswer, type CallOptions } from '@muster/api-client';
import type { CommandJson, SubmittedCommandJson } from '@muster/api-contract';
import type { CommandEnv } from '../environment/command-env.js';
import { CliError, EXIT, type ExitCode } from '../terminal/cli-error.js';

/** What {@link submit} adds to a call that makes a command. */
export type SubmitCall = Pick<CallOptions, 'idempotencyKey' | 'signal' | 'retry' | 'onHeaders'>;

export interface SubmitOptions {
  /** Of `--idempotency-key`; without it a random one is used. */
  readonly key?: string | undefined;
  readonly signal: AbortSignal;
  /** Called before each further attempt. */
  readonly onRetry: () => void;
}

export type Submitted = CommandJson & Partial<Pick<SubmittedCommandJson, 'repeated'>>;

const RETRY = { attempts: 6, maxPauseMs: 5_000 };

/**
 * Makes a command. When the answer is lost it asks again with the same idempotency key, so that one call never makes two commands.
 * @throws ApiProblem when the server refuses, CliError when it is not known whether the command was made
 */
export async function submit(
  env: CommandEnv,
  send: (call: SubmitCall) => Promise<Submitted>,
  { key = randomUUID(), signal, onRetry }: SubmitOptions,
): Promise<Submitted> {
  let isReplayed = false;
  const call: SubmitCall = {
    idempotencyKey: key,
    signal,
    onHeaders: (headers) => (isReplayed = headers.get('idempotency-replayed') === 'true'),
    retry: { ...RETRY, onRetry },
  };
  try {
    const command = await send(call);
    return isReplayed ? await newest(env, command) : command;
  } catch (cause) {
    if (signal.aborted) throw doubtful('interrupted before the server answered', key, cause, EXIT.interrupted);
    if (!isOfCall(cause) || nothingDone(cause)) throw cause;
    throw doubtful((env.cliError(cause) as Error).message, key, cause);
  }
}

/** A repeated request gets the first answer again; the command may have moved on since. */
async function newest(env: CommandEnv, command: Submitted): Promise<Submitted> {
  const now = await env
    .client()
    .call('GET /v1/commands/{id}', { params: { id: command.id } })
    .catch(() => command);
  return { ...now, repeated: true };
}

/** Of the call itself, and not of what was needed before it, such as a token. */
function isOfCall(error: unknown): boolean {
  return error instanceof ApiProblem || error instanceof ConnectionError || error instanceof UnexpectedAnswer;
}

function doubtful(message: string, key: string, cause: unknown, exitCode: ExitCode = EXIT.error): CliError {
  return new CliError(`${message}; the command may have been accepted all the same`, {
    exitCode,
    hint: `\`muster commands\` shows it if it was; the same again with --idempotency-key ${key} makes no second one`,
    cause,
  });
}
