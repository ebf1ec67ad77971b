import { fileURLToPath } from 'node:url';
import { TestProcess } from '@muster/testkit';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** Starts the real program as a process. `via`: a program that becomes the one that its arguments name. */
export function startAgentProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  via: readonly string[] = [],
): TestProcess {
  return new TestProcess({ main: MAIN, args, env, via });
}
