import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** The real program, as a process. */
export interface AgentProgram {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly output: () => string;
  readonly exit: Promise<number | null>;
  /** Waits until it has printed this text. */
  printed(text: string): Promise<void>;
  /** `kill -9`; resolves when it is gone. */
  kill(): Promise<unknown>;
}

/** `via`: a program that becomes the one that its arguments name. */
export function startAgentProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  via: readonly string[] = [],
): AgentProgram {
  const [program = process.execPath, ...rest] = [...via, process.execPath, MAIN, ...args];
  const child = spawn(program, rest, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const waiting: (() => void)[] = [];
  const take = (part: Buffer): void => {
    output += part.toString();
    for (const wake of waiting.splice(0)) wake();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve));
  return {
    child,
    exit,
    output: () => output,
    async printed(text) {
      while (!output.includes(text)) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    kill: () => {
      child.kill('SIGKILL');
      return exit;
    },
  };
}
