import type { Readable } from 'node:stream';

/** Longer than any line of `ss`. */
const LINE_BYTES = 64 * 1024;

/** Hands over each line of a program's output as it comes. Resolves when the output ends; rejects when a line is too long. */
export async function readLines(output: Readable, onLine: (line: string) => void): Promise<void> {
  let rest = '';
  output.setEncoding('latin1');
  for await (const chunk of output as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_BYTES) throw new Error('a line that does not end');
    for (const line of lines) onLine(line);
  }
  if (rest !== '') onLine(rest);
}
