import { isCommandId } from '@muster/protocol';
import { usageError } from '../terminal/cli-error.js';

/** The path parameters of calls about one command. @throws CliError unless it is an id */
export function commandParams(id: string): { readonly id: string } {
  if (!isCommandId(id)) throw usageError(`"${id}" is not the id of a command`, '`muster commands` lists them');
  return { id };
}
