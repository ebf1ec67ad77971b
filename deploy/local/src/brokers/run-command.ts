import { spawn } from 'node:child_process';

export interface CommandResult {
  /** Undefined when it could not be started or did not end in time. */
  readonly exitCode: number | undefined;
  /** Standard output and error, the last 64 KB. */
  readonly output: string;
}

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly env?: NodeJS.ProcessEnv;
}

const KEEP_CHARS = 64 * 1024;

/** Runs a program to its end; never throws. A program that takes too long is killed. */
export function runCommand(
  program: string,
  args: readonly string[],
  { timeoutMs, env }: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-KEEP_CHARS);
    };
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      ...(env === undefined ? {} : { env }),
    });
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ exitCode: undefined, output: error.message }));
    child.on('close', (exitCode) => resolve({ exitCode: exitCode ?? undefined, output }));
  });
}
