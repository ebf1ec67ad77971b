import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { PeerAnswer, PeerRequest } from './namespace-peer.js';

/** A process in one of the harness's namespaces. */
export class Peer {
  readonly #child: ChildProcess;

  constructor(namespace: string) {
    const script = new URL('./namespace-peer.js', import.meta.url).pathname;
    this.#child = spawn('ip', ['netns', 'exec', namespace, process.execPath, script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  async send(request: PeerRequest): Promise<PeerAnswer> {
    const answered = once(this.#child, 'message');
    this.#child.send(request);
    const [answer] = (await answered) as [PeerAnswer];
    return answer;
  }

  /** Kills the process without a chance to clean up. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

/**
 * Two network namespaces of the test, connected by a virtual cable. `host` is the isolated machine with address .2.
 * `outside` has the addresses .1, .3 and .4. Both have IPv4 and IPv6.
 */
export class NetworkHarness {
  readonly #prefix = `mst${randomBytes(3).toString('hex')}`;
  readonly #peers: Peer[] = [];

  /** Returns `undefined` and prints the reason on stderr when namespaces cannot be created. */
  static open(): NetworkHarness | undefined {
    const harness = new NetworkHarness();
    try {
      harness.#build();
      return harness;
    } catch (error) {
      harness.#remove();
      process.stderr.write(`skipped: a network of its own cannot be made here: ${String(error).split('\n')[0]}\n`);
      return undefined;
    }
  }

  get hostNamespace(): string {
    return `${this.#prefix}h`;
  }

  peer(side: 'host' | 'outside'): Peer {
    const peer = new Peer(side === 'host' ? this.hostNamespace : `${this.#prefix}w`);
    this.#peers.push(peer);
    return peer;
  }

  /** Runs a program in the host's namespace. */
  run(file: string, args: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.hostNamespace, file, ...args], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.kill()));
    this.#remove();
  }

  #build(): void {
    const [h, w] = [this.hostNamespace, `${this.#prefix}w`];
    const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'pipe' });
    ip('netns', 'add', h);
    ip('netns', 'add', w);
    ip('link', 'add', h, 'netns', h, 'type', 'veth', 'peer', 'name', w, 'netns', w);
    for (const [side, numbers] of [
      [h, [2]],
      [w, [1, 3, 4]],
    ] as const) {
      ip('-n', side, 'link', 'set', 'lo', 'up');
      ip('-n', side, 'link', 'set', side, 'up');
      for (const number of numbers) {
        ip('-n', side, 'addr', 'add', `10.99.0.${number}/24`, 'dev', side);
        ip('-n', side, 'addr', 'add', `fd00:99::${number}/64`, 'dev', side, 'nodad');
      }
    }
    execFileSync('ip', ['netns', 'exec', h, 'nft', 'list', 'tables'], { stdio: 'pipe' });
  }

  #remove(): void {
    for (const side of ['h', 'w']) {
      try {
        execFileSync('ip', ['netns', 'del', `${this.#prefix}${side}`], { stdio: 'pipe' });
      } catch {
        // The namespace was never created.
      }
    }
  }
}
