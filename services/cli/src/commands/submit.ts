import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { CliError, EXIT, type ExitCode } from '../terminal/cli-error.js';
import { ApiProblem, ConnectionFault, type ApiClient, type Call } from '../environment/api-client.js';
import type { CommandJson } from '../environment/command-json.js';

export interface SubmitOptions {
  /** Of `--idempotency-key`; else one is made up. */
  readonly key?: string | undefined;
  readonly signal?: AbortSignal;
  /** Told before each further attempt. */
  readonly onRetry?: () => void;
  /** Replaced in tests. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 200;

/**
 * Makes a command. When the answer is lost it asks again with the same idempotency key, so that one call never makes two commands.
 * @throws ApiProblem when the server refuses, CliError when it is not known whether the command was made
 */
export async function submit(
  client: ApiClient,
  path: string,
  body: unknown,
  options: SubmitOptions = {},
): Promise<CommandJson> {
  const { key = randomUUID(), signal, onRetry } = options;
  const pause = options.pause ?? ((ms: number) => delay(ms, undefined, signal === undefined ? {} : { signal }));
  let isReplayed = false;
  const call: Call = {
    method: 'POST',
    body,
    headers: { 'idempotency-key': key },
    onHeaders: (headers) => (isReplayed = headers['idempotency-replayed'] === 'true'),
    ...(signal === undefined ? {} : { signal }),
  };
  let isDoubtful = false;
  for (let attempt = 1; ; attempt += 1) {
    let cause: unknown;
    try {
      const command = await client.json<CommandJson>(path, call);
      return isReplayed ? await newest(client, command) : command;
    } catch (error) {
      cause = error;
    }
    if (!isAborted(signal)) {
      isDoubtful ||= !isRefusal(cause);
      if (!mayRetry(cause)) throw cause;
      if (attempt >= ATTEMPTS) throw !isDoubtful ? cause : doubtful((cause as Error).message, key, cause);
      onRetry?.();
      await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1)).catch(() => undefined);
    }
    if (isAborted(signal)) throw interrupted(key, cause);
  }
}

/** A repeat is answered as the first time was: the command has come further since. */
async function newest(client: ApiClient, command: CommandJson): Promise<CommandJson> {
  const now = await client.json<CommandJson>(`/v1/commands/${command.id}`).catch(() => command);
  return { ...now, repeated: true };
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** Refused for now, so nothing was made; any other retryable answer leaves that open. */
function isRefusal(error: unknown): boolean {
  return error instanceof ApiProblem && ['rate_limited', 'no_command_service'].includes(error.problem.code ?? '');
}

/** A request with this key that is still under way is answered with a conflict that says when to come back. */
function mayRetry(error: unknown): boolean {
  if (error instanceof ConnectionFault) return true;
  if (!(error instanceof ApiProblem)) return false;
  const { retryable, retryAfterMs, code } = error.problem;
  return retryable === true || error.status >= 502 || (code === 'conflict' && typeof retryAfterMs === 'number');
}

function interrupted(key: string, cause: unknown): CliError {
  return doubtful('interrupted before the server answered', key, cause, EXIT.interrupted);
}

function doubtful(message: string, key: string, cause: unknown, exitCode: ExitCode = EXIT.error): CliError {
  return new CliError(`${message}; the command may have been accepted all the same`, {
    exitCode,
    hint: `\`muster commands\` shows it if it was; the same again with --idempotency-key ${key} makes no second one`,
    cause,
  });
}
