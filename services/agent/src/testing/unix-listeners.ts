import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** Node.js fills abstract names up with zeros. */
const LISTEN = `
import json, socket, sys
held = []
for name in json.loads(sys.argv[1]):
    one = socket.socket(socket.AF_UNIX)
    one.bind(name.encode('latin1'))
    one.listen(3)
    held.append(one)
print('listening', flush=True)
sys.stdin.read()
`;

/** A process that listens at Unix sockets with any names, in a network namespace of its own: no other test sees them in its own one. */
export class UnixListeners {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Whether there can be any here. */
  static areHere(): boolean {
    const commands = [['unshare', '--net', 'true'] as const, ['python3', '--version'] as const];
    return process.getuid?.() === 0 && commands.every(([file, ...args]) => spawnSync(file, args).status === 0);
  }

  /** Each character of a name is a byte; one that begins with a zero is abstract. Those without a folder are in `cwd`. */
  static async start(names: readonly string[], cwd = '/'): Promise<UnixListeners> {
    const args = ['--net', 'python3', '-c', LISTEN, JSON.stringify(names)];
    const child = spawn('unshare', args, { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
    const [first] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [unknown];
    if (!String(first).includes('listening')) throw new Error('the process does not listen');
    return new UnixListeners(child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}
