import { ApiProblem, ConnectionError } from '@muster/api-client';
import { visible } from '../text/visible.js';

/** A failure in words for people: what failed, and what they can do. */
export function describe(error: unknown): string {
  if (error instanceof ConnectionError)
    return error.fault === 'timeout'
      ? 'The server did not answer in time. Try again.'
      : 'The server cannot be reached. Check the connection, and try again.';
  if (error instanceof ApiProblem) {
    const text = visible(error.problem.detail ?? error.problem.title ?? `The server answered ${error.status}.`);
    const id = error.problem.requestId;
    return error.status >= 500 && id !== undefined ? `${text} (request ${id})` : text;
  }
  return error instanceof Error ? error.message : String(error);
}
