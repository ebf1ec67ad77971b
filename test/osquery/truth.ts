import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BoxInput, BoxOutput } from './box/main.js';

const UNSHARE = ['--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];

/** Why no box can be made here, or `undefined`: it takes Linux, root, and namespaces. */
export async function boxObstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it takes root on Linux';
  try {
    await runProgram(
      'unshare',
      [...UNSHARE, 'sh', '-ec', 'mount -t tmpfs tmpfs /mnt && ip link add name a0 type veth peer name a1'],
      '',
    );
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/**
 * Asks osqueryi and Muster beside each other on a machine that is held still: namespaces of their own with files, a
 * network and processes that nobody changes.
 */
export async function askInBox(osqueryi: string, { cases, expressions }: BoxInput): Promise<BoxOutput> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-truth-'));
  try {
    const main = fileURLToPath(new URL('box/main.js', import.meta.url));
    const told = cases.map((one) =>
      one.from === undefined ? one : { ...one, from: one.from.replaceAll('$HOMES', `${folder}/homes`) },
    );
    const args = [...UNSHARE, process.execPath, main, osqueryi, folder];
    return JSON.parse(await runProgram('unshare', args, JSON.stringify({ cases: told, expressions }))) as BoxOutput;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runProgram(program: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'] ?? '' },
      timeout: 110_000,
      killSignal: 'SIGKILL',
    });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (part: Buffer) => out.push(part));
    child.stderr.on('data', (part: Buffer) => err.push(part));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else reject(new Error(`${program} ended by ${signal ?? code}: ${Buffer.concat(err).toString()}`));
    });
    child.stdin.on('error', () => {}).end(input);
  });
}
