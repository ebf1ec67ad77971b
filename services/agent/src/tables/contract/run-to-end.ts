import { spawnSync } from 'node:child_process';
import { textOfBytes } from '@muster/protocol';

const RUN_MS = 5_000;
/** Limit for each output stream. */
const OUTPUT_BYTES = 64 * 1024 * 1024;
const TOLD_CHARACTERS = 200;

/** How a program ended by itself, and what it wrote. Bytes that are not UTF-8 are as `textOfBytes` writes them. */
export interface ProgramEnd {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why a program did not end by itself. */
export interface ProgramFault {
  readonly code: 'too_slow' | 'too_large' | 'unreadable';
  readonly message: string;
}

/** Runs a program directly, from `/` with an environment of its own. It inherits `fds`, from 3 on. */
export function runToEnd(program: string, args: readonly string[], fds: readonly number[]): ProgramEnd | ProgramFault {
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    timeout: RUN_MS,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES,
    stdio: ['ignore', 'pipe', 'pipe', ...fds],
    env: { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    cwd: '/',
  });
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ETIMEDOUT') return { code: 'too_slow', message: `${program} took longer than ${RUN_MS} ms` };
  if (code === 'ENOBUFS') return { code: 'too_large', message: `${program} wrote more than ${OUTPUT_BYTES} bytes` };
  if (error !== undefined) return { code: 'unreadable', message: `${program}: ${code ?? error.message}` };
  if (status === null) return { code: 'unreadable', message: `${program} ended before it had answered` };
  return { status, stdout: textOfBytes(stdout), stderr: textOfBytes(stderr) };
}

/** What a program says about itself, its last line. */
export function complaintOf(program: string, { status, stderr }: ProgramEnd): string {
  const line = stderr.trim().split('\n').at(-1)?.trim().slice(0, TOLD_CHARACTERS) ?? '';
  return `${program} ended with ${status}${line === '' ? '' : `: ${line}`}`;
}
