import { afterEach, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { eventually } from '@muster/runtime/testing';

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));
const WITHIN_MS = 30_000;
/** Starts the simulator as npm does, and says its id. */
const NPM = `
const child = require('node:child_process').spawn(process.execPath, process.argv.slice(1), { stdio: 'ignore' });
console.log(child.pid);
`;

let server: Server;
let npm: ChildProcess | undefined;
const started: number[] = [];
afterEach(() => {
  npm?.kill('SIGKILL');
  for (const pid of started.splice(0)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  server.close();
});

/** A simulator of two processes at a gateway that says nothing. */
async function start(): Promise<{ readonly parent: number; readonly children: readonly number[] }> {
  server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const gateway = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ['--agents=4', '--processes=2', `--gateway=${gateway}`, '--enroll-secret=x', '--org=acme'];
  npm = spawn(process.execPath, ['-e', NPM, MAIN, ...args], {
    env: { PATH: process.env['PATH'], npm_lifecycle_event: 'simulate' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const parent = await new Promise<number>((resolve) => npm?.stdout?.once('data', (text) => resolve(Number(text))));
  started.push(parent);
  let connections = 0;
  server.on('connection', () => (connections += 1));
  const children = await eventually(
    () => {
      const pids = childrenOf(parent);
      return pids.length === 2 && connections >= 4 && pids;
    },
    'all of them connect',
    WITHIN_MS,
  );
  started.push(...children);
  return { parent, children };
}

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('the processes of a simulator end when the one that started them is killed', async () => {
  const { parent, children } = await start();
  process.kill(parent, 'SIGKILL');
  await eventually(() => !children.some(isAlive), 'they are gone', WITHIN_MS);
});

onLinux('all of them end when npm is killed', async () => {
  const { parent, children } = await start();
  npm?.kill('SIGKILL');
  await eventually(() => ![parent, ...children].some(isAlive), 'they are gone', WITHIN_MS);
});

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text
    .split(' ')
    .filter((part) => part.trim() !== '')
    .map(Number);
}

/** A process that has ended and that nobody has asked for is not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
