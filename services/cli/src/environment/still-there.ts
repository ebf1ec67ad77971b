import { CliError } from '../terminal/cli-error.js';
import type { CommandEnv } from './command-env.js';

/**
 * The error that ends the view of something that began on the server, with a line that says where that is found. Other
 * errors are as they are.
 */
export function stillThere(env: Pick<CommandEnv, 'cliError'>, error: unknown, line: string): unknown {
  const fault = env.cliError(error);
  return fault instanceof CliError ? fault.withLine(line) : error;
}
