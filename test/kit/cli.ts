import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Harness } from './harness.js';

/** The program `muster`. */
export const MUSTER_MAIN = fileURLToPath(new URL('../../../services/cli/dist/main.js', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `muster` as a process against a harness, with `input` on its standard input. */
export function muster(harness: Harness, args: readonly string[], input?: string): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MUSTER_MAIN, ...args], {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], MUSTER_API_URL: harness.stack.apiUrl, MUSTER_TOKEN: harness.stack.token },
    });
    const texts = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (texts.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (texts.stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...texts }));
    child.stdin?.end(input);
  });
}
