import { spawn } from 'node:child_process';
import { copyFileSync, openSync, readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';

/** A process that holds files and sockets, and has children of odd kinds. It says when all of it is there, and then does nothing. */
const folder = process.argv[2] ?? '/tmp';
openSync('/etc/hosts', 'r');

const listeners = [{ host: '127.0.0.1', port: 0 }, { host: '::1', port: 0 }, { path: `${folder}/listen.sock` }].map(
  (where) => createServer().listen(where),
);
await Promise.all(listeners.map((one) => once(one, 'listening')));
const address = listeners[0]?.address();
if (typeof address === 'object' && address !== null) await once(connect(address.port, '127.0.0.1'), 'connect');

const bound = [createSocket('udp4').bind(0, '127.0.0.1'), createSocket('udp6').bind(0, '::1')];
await Promise.all(bound.map((one) => once(one, 'listening')));

const gone = `${folder}/gone`;
copyFileSync('/bin/sleep', gone);
const children = [
  spawn('/bin/sleep', ['1000'], { env: { HELD: 'a b', EMPTY: '' }, cwd: '/etc/truth' }),
  spawn(gone, ['1001'], { env: {} }),
  spawn('/bin/sleep', ['1002'], { argv0: '-odd name', env: {}, uid: 5001, gid: 100 }),
  // A zombie: the program that takes the place of the shell does not ask for its end.
  spawn('/bin/sh', ['-c', 'true & exec /bin/sleep 1003'], { env: {} }),
  // Two hold one end of a pipe and nobody the other: dash writes a short here-document into one, and closes it.
  spawn('/bin/dash', ['-c', 'exec 3<<END\nheld\nEND\n/bin/sleep 1004 & exec /bin/sleep 1005'], { env: {} }),
];
await Promise.all(children.map((child) => once(child, 'spawn')));
unlinkSync(gone);
await zombieOf(children[3]?.pid);
process.stdout.write(`ready ${process.pid}\n`);
setInterval(() => {}, 1_000_000);

async function zombieOf(parent: number | undefined): Promise<void> {
  const isThere = (pid: string): boolean => {
    try {
      return new RegExp(`\\) Z ${parent} `).test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  };
  while (!readdirSync('/proc').some((name) => /^\d+$/.test(name) && isThere(name))) await setTimeout(20);
}
