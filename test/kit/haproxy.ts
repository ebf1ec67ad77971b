import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ensureBinary, freePort } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';

const CONFIGS = fileURLToPath(new URL('../../../deploy/haproxy/', import.meta.url));

export interface LoadBalancer {
  /** `127.0.0.1:port`. */
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts Debian's HAProxy with the configuration that the project ships, in front of two gateways (`host:port`). */
export async function startHaproxy(
  gateways: readonly [string, string],
  config: 'haproxy.cfg' | 'haproxy-passthrough.cfg' = 'haproxy.cfg',
  /** Appended to the address in its bind line: `ssl crt <file>`. */
  bindOptions = '',
  /** Changes to the shipped configuration: a text in it, and its replacement. */
  changes: readonly (readonly [string, string])[] = [],
): Promise<LoadBalancer> {
  const program = await ensureBinary('haproxy', 'haproxy', { logger: silentLogger });
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const folder = await mkdtemp(join(tmpdir(), 'muster-haproxy-'));
  const file = join(folder, config);
  let text = await readFile(join(CONFIGS, config), 'utf8');
  for (const [shipped, instead] of changes) {
    if (!text.includes(shipped)) throw new Error(`${config} has no "${shipped}"`);
    text = text.replace(shipped, instead);
  }
  await writeFile(file, text);
  const child = spawn(program, ['-db', '-f', file], {
    env: {
      ...process.env,
      MUSTER_BIND: `${address} ${bindOptions}`.trim(),
      MUSTER_GATEWAY_1: gateways[0],
      MUSTER_GATEWAY_2: gateways[1],
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`haproxy ended with ${child.exitCode}`);
    await delay(20);
  }
  return {
    address,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
