import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Params } from '@muster/protocol';
import { testCall, testHost } from '../testing/action-harness.js';
import { type FiveTuple, findSockets, namespaceOf, SELF } from './connections.js';
import { kernelHas, readKernelConfig } from './kernel-config.js';
import { killConnection, ssArguments } from './kill-connection.js';

const onLinux = process.platform === 'linux' ? describe : describe.skip;
const canDestroy = kernelHas('CONFIG_INET_DIAG_DESTROY', readKernelConfig());

/** A process that holds a connection and prints a line when it ends. */
const PEER = `
const socket = require('node:net').connect(Number(process.argv[2]), process.argv[1]);
socket.on('connect', () => console.log('open', socket.localPort));
socket.on('error', (error) => { console.log('error', error.code); });
socket.on('close', () => { console.log('closed'); setInterval(() => {}, 1000); });
`;

onLinux('connection.kill on this machine', () => {
  let server: Server;
  let child: ChildProcess;
  let accepted: Socket;
  let params: Params;
  let tuple: FiveTuple;
  let output: string;
  const kill = killConnection();
  const run = (options: Parameters<typeof testCall>[2], host = testHost()) =>
    kill.run(testCall(host, 'connection.kill', options));

  const begin = async (address: string): Promise<void> => {
    server = createServer();
    const listening = once(server.listen(0, address), 'listening');
    await listening;
    const { port } = server.address() as AddressInfo;
    const connected = once(server, 'connection');
    child = spawn(process.execPath, ['-e', PEER, address, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
    output = '';
    child.stdout!.on('data', (text) => (output += String(text)));
    [accepted] = (await connected) as [Socket];
    accepted.on('error', () => undefined);
    tuple = {
      protocol: 'tcp',
      localAddress: address,
      localPort: accepted.remotePort!,
      remoteAddress: address,
      remotePort: port,
    };
    params = {
      local_address: address,
      local_port: tuple.localPort,
      remote_address: address,
      remote_port: port,
      protocol: 'tcp',
    };
  };
  const isOpen = (): boolean => findSockets(SELF, tuple).some((socket) => socket.inode !== 0);
  const row = (): Record<string, string | number | null> => ({
    ...(params as Record<string, string | number>),
    protocol: 6,
    pid: child.pid!,
    socket: findSockets(SELF, tuple)[0]!.inode,
    net_namespace: namespaceOf(SELF)!,
  });

  beforeEach(() => begin('127.0.0.1'));
  afterEach(async () => {
    child.kill('SIGKILL');
    accepted.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  // The test acts as the agent, whose own connections are never ended. So other processes hold both ends.
  const handOver = async (address = '127.0.0.1'): Promise<{ holder: ChildProcess; port: number }> => {
    const code = `const s = require('node:net').createServer((c) => c.on('error', () => {})); s.listen(0, process.argv[1], () => console.log(s.address().port));`;
    const holder = spawn(process.execPath, ['-e', code, address], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [text] = (await once(holder.stdout!, 'data')) as [Buffer];
    return { holder, port: Number(text) };
  };
  const between = async (address = '127.0.0.1') => {
    const { holder, port } = await handOver(address);
    const client = spawn(process.execPath, ['-e', PEER, address, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    client.stdout!.on('data', (chunk) => (text += String(chunk)));
    while (!text.includes('open')) await once(client.stdout!, 'data');
    const localPort = Number(/open (\d+)/.exec(text)![1]);
    const found: FiveTuple = {
      protocol: 'tcp',
      localAddress: address,
      localPort,
      remoteAddress: address,
      remotePort: port,
    };
    const socket = findSockets(SELF, found)[0]!;
    const binding = {
      pid: client.pid!,
      protocol: 6,
      local_address: address,
      local_port: localPort,
      remote_address: address,
      remote_port: port,
      socket: socket.inode,
      net_namespace: namespaceOf(SELF)!,
    };
    const stop = (): void => [holder, client].forEach((one) => one.kill('SIGKILL'));
    const ended = async (): Promise<string> => {
      while (!text.includes('closed')) await once(client.stdout!, 'data');
      return text;
    };
    return { client, binding, found, stop, ended };
  };

  test.each(['127.0.0.1', '::1'])(
    'a connection over %s is ended, and its process lives and gets an error',
    async (address) => {
      const { client, binding, found, stop, ended } = await between(address);
      try {
        const result = await run({ binding });
        if (canDestroy === false) {
          process.stderr.write(`this kernel cannot: ${result.message}\n`);
          expect(result).toMatchObject({ state: 'unsupported', code: 'no_destroy' });
          return;
        }
        expect(result).toMatchObject({ state: 'succeeded', effects: [expect.stringContaining(`(${client.pid})`)] });
        expect(findSockets(SELF, found)).toEqual([]);
        expect(await ended()).toMatch(/error ECONN/);
        expect(client.exitCode).toBeNull();
        expect(await run({ binding })).toMatchObject({ state: 'succeeded', code: 'unchanged' });
      } finally {
        stop();
      }
    },
  );

  test('a connected UDP socket is ended, an unconnected one is refused', async () => {
    const code = `const s = require('node:dgram').createSocket('udp4'); s.on('error', (e) => console.log(e.code)); s.connect(9, '127.0.0.1', () => console.log(s.address().port));`;
    const holder = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [text] = (await once(holder.stdout, 'data')) as [Buffer];
      const udp = { ...params, protocol: 'udp', local_port: Number(text), remote_port: 9 };
      const found: FiveTuple = { ...tuple, protocol: 'udp', localPort: Number(text), remotePort: 9 };
      expect(findSockets(SELF, found).length).toBe(1);
      const result = await run({ params: { ...udp, pid: holder.pid! } });
      expect(result.state).toBe(canDestroy === false ? 'unsupported' : 'succeeded');
      expect(findSockets(SELF, found).length).toBe(canDestroy === false ? 1 : 0);
    } finally {
      holder.kill('SIGKILL');
    }
  });

  test('another inode, process or network namespace is refused, and the connection stays open', async () => {
    const { binding, found, stop } = await between();
    try {
      for (const change of [{ socket: binding.socket + 1 }, { pid: child.pid! }, { net_namespace: '1' }]) {
        expect(await run({ binding: { ...binding, ...change } })).toMatchObject({ state: 'refused', code: 'changed' });
      }
      const listening = { ...binding, local_port: found.remotePort, remote_address: '0.0.0.0', remote_port: 0 };
      expect(await run({ binding: listening })).toMatchObject({ state: 'refused', code: 'not_a_connection' });
      const guarded = testHost({ protects: [process.execPath] });
      expect(await run({ binding }, guarded)).toMatchObject({ state: 'refused', code: 'protected' });
      const dry = await run({ binding, dryRun: true });
      expect(dry.effects?.[0] ?? dry.code).toMatch(canDestroy === false ? /no_destroy/ : /^would end tcp 127.0.0.1/);
      expect(findSockets(SELF, found).length).toBe(1);
    } finally {
      stop();
    }
  });

  test("the agent's own connection is refused from either end", async () => {
    const other = { ...params, local_address: '127.0.0.1', local_port: tuple.remotePort, remote_port: tuple.localPort };
    expect(await run({ params: other })).toMatchObject({
      state: 'refused',
      message: expect.stringMatching(/agent's own$/),
    });
    expect(await run({ binding: row() })).toMatchObject({
      state: 'refused',
      message: expect.stringMatching(/other end/),
    });
    expect([isOpen(), output.includes('closed')]).toEqual([true, false]);
  });

  test('a missing connection is unchanged, and ports are compared completely', async () => {
    const port = Math.floor(tuple.localPort / 10);
    expect(await run({ params: { ...params, local_port: port } })).toMatchObject({ code: 'unchanged' });
    expect(isOpen()).toBe(true);
  });

  test('a kernel without the option and a machine without ss are unsupported', async () => {
    const { binding, stop } = await between();
    try {
      const without = killConnection(() => '# CONFIG_INET_DIAG_DESTROY is not set\n');
      expect(await without.run(testCall(testHost(), 'connection.kill', { binding }))).toMatchObject({
        state: 'unsupported',
        code: 'no_destroy',
      });
      const nothing = testHost({ run: () => Promise.resolve({ code: 127, stdout: '', stderr: '' }) });
      const unknown = killConnection(() => undefined);
      expect(await unknown.run(testCall(nothing, 'connection.kill', { binding }))).toMatchObject({ code: 'no_ss' });
      // An ss that does nothing, like on a kernel without the option.
      const idle = testHost({ run: () => Promise.resolve({ code: 0, stdout: '', stderr: '' }) });
      expect(await unknown.run(testCall(idle, 'connection.kill', { binding }))).toMatchObject({ code: 'no_destroy' });
    } finally {
      stop();
    }
  });

  test('a connection in another network namespace is ended there', async () => {
    const name = `muster-${process.pid}`;
    try {
      execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' });
    } catch (error) {
      process.stderr.write(`skipped: no network namespace can be made here: ${String(error)}\n`);
      return;
    }
    execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    const code = `const net = require('node:net'); const s = net.createServer((c) => c.on('error', () => {})); s.listen(0, '127.0.0.1', () => { const c = net.connect(s.address().port, '127.0.0.1', () => console.log(c.localPort, s.address().port)); c.on('error', (e) => console.log(e.code)); });`;
    const inside = spawn('ip', ['netns', 'exec', name, process.execPath, '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [text] = (await once(inside.stdout, 'data')) as [Buffer];
      const [local, remote] = String(text).split(' ').map(Number) as [number, number];
      const binding = {
        pid: inside.pid!,
        protocol: 6,
        local_address: '127.0.0.1',
        local_port: local,
        remote_address: '127.0.0.1',
        remote_port: remote,
        net_namespace: namespaceOf(inside.pid!)!,
      };
      expect(binding.net_namespace).not.toBe(namespaceOf(SELF));
      const result = await run({ binding });
      expect(result).toMatchObject(canDestroy === false ? { code: 'no_destroy' } : { state: 'succeeded', code: 'ok' });
    } finally {
      inside.kill('SIGKILL');
      execFileSync('ip', ['netns', 'del', name]);
    }
  });
});

describe('arguments of ss', () => {
  const tuple: FiveTuple = {
    protocol: 'tcp',
    localAddress: '10.0.0.1',
    localPort: 5,
    remoteAddress: '10.0.0.2',
    remotePort: 443,
  };

  test('select exactly this connection, as separate arguments', () => {
    expect(ssArguments(tuple, undefined)).toEqual([
      '-K',
      '-H',
      '-n',
      '-4',
      '-t',
      'src',
      '10.0.0.1:5',
      'dst',
      '10.0.0.2:443',
    ]);
    const six = { ...tuple, protocol: 'udp', localAddress: 'fe80::1', remoteAddress: '::1' } as const;
    expect(ssArguments(six, undefined)).toEqual([
      '-K',
      '-H',
      '-n',
      '-6',
      '-u',
      'src',
      '[fe80::1]:5',
      'dst',
      '[::1]:443',
    ]);
  });
});
