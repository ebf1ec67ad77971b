import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { ProgramResult, RunOptions } from './action.js';

const DEFAULT_TIMEOUT_MS = 10_000;
/** Limit for each output stream. The rest is discarded. */
const OUTPUT_BYTES = 4 * 1024 * 1024;
const UNIX_LIKE = process.platform !== 'win32';
/** Only the usual system folders, so that the PATH of whoever started the agent has no effect. */
const UNIX = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/**
 * Runs a program, never through a shell, and waits until it exits. Kills it on timeout or abort. Never rejects: a
 * missing program has code 127. `base` is the environment of every run; programs on Windows need some of the system's
 * variables.
 */
export function runProgram(
  file: string,
  args: readonly string[],
  options: RunOptions,
  base: Readonly<Record<string, string>> = UNIX,
): Promise<ProgramResult> {
  const { input, signal, timeoutMs = DEFAULT_TIMEOUT_MS, output = 'pipe', env = {} } = options;
  if (signal?.aborted === true) return Promise.resolve({ code: 124, stdout: '', stderr: 'stopped before it began' });
  return new Promise((resolve) => {
    let timedOut = false;
    const child = spawn(file, args, {
      env: { ...base, ...env },
      // The agent's own folder may be on a file system that the program unmounts.
      cwd: UNIX_LIKE ? '/' : undefined,
      stdio: ['pipe', output, output],
      // A new session has no terminal and can be killed together with its child processes.
      detached: UNIX_LIKE,
      windowsHide: true,
      shell: false,
    });
    const [stdout, stderr] = [collectOutput(child.stdout), collectOutput(child.stderr)];
    const kill = (): void => {
      timedOut = true;
      killGroup(child);
    };
    const timer = setTimeout(kill, timeoutMs);
    signal?.addEventListener('abort', kill, { once: true });
    const finish = (code: number, error = ''): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', kill);
      resolve({ code, stdout: stdout(), stderr: stderr() + error });
    };
    child.once('error', (error: NodeJS.ErrnoException) => finish(error.code === 'ENOENT' ? 127 : 126, error.message));
    // Not `close`: a daemon started by the program may keep the pipes open forever.
    child.once('exit', (code, ended) => {
      const end = (): void => {
        closePipes(child);
        finish(timedOut ? 124 : (code ?? 128 + signalNumber(ended)));
      };
      // The last output may arrive after the exit.
      const grace = setTimeout(end, 200);
      child.once('close', () => {
        clearTimeout(grace);
        end();
      });
    });
    // EPIPE, when the program does not read its input. Not an error.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });
}

function collectOutput(stream: NodeJS.ReadableStream | null): () => string {
  if (stream === null) return () => '';
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    if (length < OUTPUT_BYTES) chunks.push(chunk.subarray(0, OUTPUT_BYTES - length));
    length += chunk.length;
  });
  stream.on('error', () => undefined);
  return () => Buffer.concat(chunks).toString('utf8');
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (UNIX_LIKE) process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // The process has already ended.
  }
}

function closePipes(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function signalNumber(name: NodeJS.Signals | null): number {
  return name === null ? 0 : constants.signals[name];
}
