import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { KernelSockets } from './kernel-sockets.js';
import { findSsPrograms, type SsPrograms } from './ss-programs.js';

const programs = findSsPrograms() as SsPrograms;
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function listen(host = '127.0.0.1', port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    socket.on('data', (data: Buffer) => socket.write(data));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  stops.push(() => new Promise((resolve) => server.close(resolve)));
  return { server, port: (server.address() as AddressInfo).port };
}

async function start(port: number, change: Partial<SsPrograms> = {}) {
  const sockets = new KernelSockets({
    programs: { ...programs, ...change },
    port,
    freshMs: 0,
    clock: systemClock,
    logger: silentLogger,
  });
  await sockets.start();
  stops.push(() => sockets.stop());
  return sockets;
}

async function echoed(port: number, bytes: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.write(Buffer.alloc(bytes));
  for (let left = bytes; left > 0;) left -= ((await once(socket, 'data')) as [Buffer])[0].length;
  socket.end();
  await once(socket, 'close');
}

describe('the kernel’s counters', () => {
  it('include open connections and those that ended between looks', async () => {
    const { port } = await listen();
    const sockets = await start(port);
    await Promise.all([echoed(port, 1_000), echoed(port, 70_000), echoed(port, 1)]);
    const open = connect(port, '127.0.0.1');
    open.write('x'.repeat(500));
    await once(open, 'data');
    await eventually(async () => (await sockets.read()).bytesIn === 71_501);
    expect(await sockets.read()).toEqual({ measured: 'sockets', bytesIn: 71_501, bytesOut: 71_501, missed: 0 });
    open.destroy();
  });

  it('go on when the child that follows them is killed, and count what was missed', async () => {
    const { port } = await listen();
    const folder = await mkdtemp(join(tmpdir(), 'muster-ss-'));
    stops.push(() => rm(folder, { recursive: true, force: true }));
    const pidFile = join(folder, 'pid');
    const stdbuf = join(folder, 'stdbuf');
    // Writes its process id, then becomes the real program.
    await writeFile(stdbuf, `#!/bin/sh\necho $$ > ${pidFile}\nexec ${programs.stdbuf} "$@"\n`);
    await chmod(stdbuf, 0o755);
    const sockets = await start(port, { stdbuf });
    await echoed(port, 100);
    await eventually(async () => (await sockets.read()).bytesIn === 100);
    const former = await readFile(pidFile, 'utf8');
    process.kill(Number(former), 'SIGKILL');
    await eventually(async () => (await sockets.read()).missed === 1);
    await eventually(async () => (await readFile(pidFile, 'utf8')) !== former);
    // It follows again some milliseconds after it has begun.
    let sent = 100;
    await eventually(async () => {
      await echoed(port, 50);
      sent += 50;
      const { bytesIn } = await sockets.read();
      return bytesIn > 100 && bytesIn <= sent;
    });
  });

  it('are not used where several processes listen on the port', async () => {
    const { port } = await listen('127.0.0.1');
    const sockets = await start(port);
    expect((await sockets.read()).measured).toBe('sockets');
    await listen('127.0.0.2', port);
    expect(await sockets.read()).toEqual({ measured: 'frames', bytesIn: 0, bytesOut: 0, missed: 0 });
  });

  it('are replaced by frames where the programs do not work', async () => {
    const { port } = await listen();
    const sockets = await start(port, { stdbuf: '/nowhere/stdbuf', setpriv: undefined });
    expect((await sockets.read()).measured).toBe('frames');
    expect(findSsPrograms(['/nowhere'])).toBeUndefined();
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('leave no child behind when the gateway ends by %s', async (signal) => {
    const { port } = await listen();
    const follower = await followerOfKilled(port, signal, 'findSsPrograms()');
    await eventually(async () => !(await isRunning(follower)));
  });

  it('cannot be read without free descriptors, and the gateway goes on', async () => {
    const { port } = await listen();
    const script = `
      const { openSync, closeSync } = await import('node:fs');
      const { KernelSockets } = await import(${JSON.stringify(new URL('kernel-sockets.js', import.meta.url).href)});
      const { findSsPrograms } = await import(${JSON.stringify(new URL('ss-programs.js', import.meta.url).href)});
      const { silentLogger, systemClock } = await import('@muster/runtime');
      const options = { programs: findSsPrograms(), port: ${port}, freshMs: 0, clock: systemClock, logger: silentLogger };
      const [running, late] = [new KernelSockets(options), new KernelSockets(options)];
      await running.start();
      const held = [];
      try { for (;;) held.push(openSync('/dev/null')); } catch {}
      await running.read();
      await late.start();
      for (const one of held) closeSync(one);
      const { measured } = await running.read();
      await Promise.all([running.stop(), late.stop()]);
      console.log('alive', measured);`;
    const limited = spawn(
      'sh',
      ['-c', 'ulimit -n 128; exec "$0" --input-type=module -e "$1"', process.execPath, script],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        // A signal to its group must not reach this one.
        detached: true,
      },
    );
    const output: Buffer[] = [];
    limited.stdout.on('data', (part: Buffer) => output.push(part));
    await once(limited, 'close');
    expect(Buffer.concat(output).toString()).toBe('alive sockets\n');
  });

  it('leave no child behind without setpriv either, once it has something to write', async () => {
    const { port } = await listen();
    const follower = await followerOfKilled(port, 'SIGKILL', '{ ...findSsPrograms(), setpriv: undefined }');
    await eventually(async () => {
      await echoed(port, 1);
      return !(await isRunning(follower));
    });
  });
});

/** The child of a process that looked at a port and was killed. */
async function followerOfKilled(port: number, signal: NodeJS.Signals, found: string): Promise<number> {
  const script = `
    const { KernelSockets } = await import(${JSON.stringify(new URL('kernel-sockets.js', import.meta.url).href)});
    const { findSsPrograms } = await import(${JSON.stringify(new URL('ss-programs.js', import.meta.url).href)});
    const { silentLogger, systemClock } = await import('@muster/runtime');
    const options = { programs: ${found}, port: ${port}, freshMs: 0, clock: systemClock, logger: silentLogger };
    await new KernelSockets(options).start();
    console.log('ready');`;
  const gateway = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(gateway.stdout, 'data');
  const [follower, ...others] = await childrenOf(gateway.pid ?? 0);
  if (follower === undefined || others.length > 0) throw new Error('not one child that follows');
  gateway.kill(signal);
  await once(gateway, 'exit');
  return follower;
}

async function childrenOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  // A look may be under way: the one that stays is the follower.
  const all = children.trim().split(' ').map(Number);
  const lines = await Promise.all(all.map((one) => readFile(`/proc/${one}/cmdline`, 'latin1').catch(() => '')));
  return all.filter((_, i) => (lines[i] ?? '').split('\0').includes('-E'));
}

async function isRunning(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State:\tZ');
  return !/^State:\s+[ZX]/m.test(status);
}
