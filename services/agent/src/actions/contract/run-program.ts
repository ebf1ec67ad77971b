import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { ProgramResult, RunOptions } from './action.js';

const DEFAULT_TIMEOUT_MS = 10_000;
/** What is read of each stream; programs that we run say little, and the rest is thrown away rather than kept. */
const OUTPUT_BYTES = 4 * 1024 * 1024;
const UNIX_LIKE = process.platform !== 'win32';
/** The usual folders of the system, and nothing that whoever started the agent has put before them. */
const UNIX = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/**
 * Runs a program with these arguments, never through a shell, and waits for its end. It is killed when its time runs out or the signal
 * aborts. Never rejects: a program that is not there is code 127. `base` is the environment of every run; on Windows programs need some of the
 * system's own variables.
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
      // Where nothing is kept busy: the agent's own folder may be on what is to be unmounted.
      cwd: UNIX_LIKE ? '/' : undefined,
      stdio: ['pipe', output, output],
      // A session of its own: it has no terminal, and can be ended with what it has started.
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
    // `exit` and not `close`: a daemon that it started may keep the pipes open for ever.
    child.once('exit', (code, ended) => {
      const end = (): void => {
        closePipes(child);
        finish(timedOut ? 124 : (code ?? 128 + signalNumber(ended)));
      };
      // What it wrote last may still be on its way.
      const grace = setTimeout(end, 200);
      child.once('close', () => {
        clearTimeout(grace);
        end();
      });
    });
    // A program that does not read its input ends with EPIPE here, which says nothing.
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
    // It ended by itself meanwhile.
  }
}

function closePipes(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function signalNumber(name: NodeJS.Signals | null): number {
  return name === null ? 0 : constants.signals[name];
}
