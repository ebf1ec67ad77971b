import { LIMITS } from './limits.js';

/**
 * Why the columns of a result cannot be asked for, or `undefined`. A question carries their names to every agent, so they are checked
 * before anything is sent. Counted in UTF-8, the strictest way of counting that an agent may have.
 */
export function columnsFault(columns: readonly string[]): string | undefined {
  if (columns.length > LIMITS.resultColumns)
    return `the result has ${columns.length} columns, ${LIMITS.resultColumns} are allowed; select fewer`;
  let total = 0;
  for (const [at, name] of columns.entries()) {
    const bytes = Buffer.byteLength(name);
    total += bytes;
    if (bytes > LIMITS.columnNameBytes)
      return `the name of column ${at + 1} has ${bytes} bytes, ${LIMITS.columnNameBytes} are allowed; name it with AS (an expression without a name is its own name)`;
  }
  return total <= LIMITS.columnNamesBytes
    ? undefined
    : `the names of the ${columns.length} columns have ${total} bytes together, ${LIMITS.columnNamesBytes} are allowed; select fewer, or name them shorter with AS`;
}
