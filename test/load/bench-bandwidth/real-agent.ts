import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stack } from '@muster/local';
import type { CountingRelay } from '../../kit/counting-relay.js';

const MAIN = fileURLToPath(new URL('../../../../services/agent/dist/main.js', import.meta.url));

export type Channel = 'live' | 'poll';

export interface RealAgentOptions {
  readonly stack: Stack;
  readonly relay: CountingRelay;
  readonly name: string;
  readonly channel: Channel;
}

/** The agent's program as a process, whose only way to the gateway is the relay. */
export class RealAgent {
  readonly #options: RealAgentOptions;
  #child: ChildProcess | undefined;
  #agentId = '';

  constructor(options: RealAgentOptions) {
    this.#options = options;
  }

  get agentId(): string {
    return this.#agentId;
  }

  /** Resolves when a gateway holds its session over the channel that it is for. */
  async start(): Promise<void> {
    const { channel, name, relay, stack } = this.#options;
    const folder = join(stack.folder, name);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const child = spawn(process.execPath, [MAIN], {
      env: {
        PATH: process.env['PATH'],
        MUSTER_GATEWAY_URL: `${stack.caPath === undefined ? 'http' : 'https'}://127.0.0.1:${relay.port}`,
        ...(stack.caPath === undefined ? {} : { MUSTER_GATEWAY_CA: stack.caPath }),
        MUSTER_ORG: stack.org,
        MUSTER_ENROLL_SECRET: stack.enrollSecret,
        MUSTER_DATA_DIR: folder,
        MUSTER_LABELS: `bench=${name},channel=${channel}`,
        MUSTER_PARENT_PID: String(process.pid),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    await this.#untilReady(child);
  }

  /** An orderly end, so that all bytes of the session have passed. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }

  #untilReady(child: ChildProcess): Promise<void> {
    const { channel, name } = this.#options;
    let rest = '';
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the agent ${name} ended with ${code}: ${rest}`)));
      child.stdout?.on('data', (part: Buffer) => {
        const lines = (rest + part.toString()).split('\n');
        rest = (lines.pop() ?? '').slice(-10_000);
        for (const line of lines) {
          const entry = JSON.parse(line) as { msg?: string; agentId?: string; mode?: string };
          this.#agentId = entry.agentId ?? this.#agentId;
          if (entry.msg === 'session ready' && entry.mode === channel) resolve();
        }
      });
    });
  }
}
