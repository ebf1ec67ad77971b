import { ApiProblem, ConnectionError, UnexpectedAnswer, type ProblemFields } from '@muster/api-client';
import { CliError, EXIT } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import type { Context } from './context.js';

/** An error of the client for the person at the terminal, with the excerpt below its message. Other errors are returned as they are. */
export function asCliError(error: unknown, context: Context, excerpt?: readonly string[]): unknown {
  if (error instanceof ApiProblem) return problemError(error, context, excerpt);
  if (error instanceof UnexpectedAnswer)
    return new CliError(error.message, { hint: 'is this the address of a Muster API?', cause: error });
  if (!(error instanceof ConnectionError)) return error;
  if (error.fault !== 'unreachable') return new CliError(error.message, { cause: error });
  const reason = connectionReason(error.cause as Error);
  return new CliError(`cannot reach ${context.apiUrl} (${context.source}): ${reason}`, {
    hint: '`muster doctor` looks at each step of the way',
    cause: error,
  });
}

/** Usage errors that only the server can find. */
const USAGE_CODES = new Set([
  'bad_selector',
  'bad_timeout',
  'bad_request',
  'unknown_action',
  'bad_params',
  'bad_rollout',
]);

function problemError(error: ApiProblem, { token, source }: Context, excerpt = faultLines(error.problem)): CliError {
  const { problem, status } = error;
  const isBroker = problem.code === 'broker_unavailable';
  const message = isBroker ? `the server cannot reach its broker: ${error.message}` : error.message;
  const hint =
    token === undefined
      ? 'set MUSTER_TOKEN, or a token in the context'
      : `the token comes from ${source} or MUSTER_TOKEN`;
  return new CliError(message, {
    exitCode: USAGE_CODES.has(problem.code ?? '') ? EXIT.usage : EXIT.error,
    ...(status === 401 ? { hint } : {}),
    excerpt,
    cause: error,
  });
}

/** All faults of the body when there are several; the message names only the first. */
function faultLines({ faults }: ProblemFields): readonly string[] {
  if (!Array.isArray(faults) || faults.length < 2) return [];
  return (faults as unknown[]).map((each) => {
    const { pointer = '', fault = '' } = each as { pointer?: string; fault?: string };
    return `  ${escapeControls(`${pointer.replace(/^#?\//, '').replaceAll('/', '.')}: ${fault}`)}`;
  });
}

const UNTRUSTED = 'its certificate is not signed by an authority that is trusted here (MUSTER_CA)';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name does not resolve just now',
  ETIMEDOUT: 'it does not answer',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS',
  EPROTO: 'it does not speak TLS',
};

/** What a failed connection means, in words. */
export function connectionReason(error: NodeJS.ErrnoException): string {
  // A name with several addresses fails with one error per address.
  const code = error.code ?? (error as { errors?: NodeJS.ErrnoException[] }).errors?.[0]?.code;
  return REASONS[code ?? ''] ?? code ?? error.message;
}
