import { usageError } from '../terminal/cli-error.js';

const DETAILS = ['checks', 'endpoints'] as const;

/** `--detail`. @throws CliError */
export function parseDetail(text: string | undefined): (typeof DETAILS)[number] | undefined {
  if (text === undefined) return undefined;
  const found = DETAILS.find((one) => one === text);
  if (found === undefined) throw usageError(`--detail must be one of ${DETAILS.join(', ')}, not "${text}"`);
  return found;
}
