/**
 * A process in a network namespace of a test. It handles one request message at a time: listens, connects, holds a
 * connection, or runs actions like an agent.
 */
import { createServer, connect, type Socket } from 'node:net';
import { systemClock } from '@muster/runtime/program';
import type { ActionResult, JsonValue } from '../contract/action.js';
import { createActions } from '../create-actions.js';
import { IsolationMonitor } from '../isolation/isolation-monitor.js';
import { testCall, testHost, type TestCallOptions } from './action-harness.js';

export type PeerRequest =
  | { readonly t: 'listen'; readonly host: string; readonly port: number }
  | { readonly t: 'probe'; readonly targets: readonly ProbeTarget[] }
  | { readonly t: 'hold'; readonly host: string; readonly port: number }
  | { readonly t: 'echo' }
  | ({ readonly t: 'run'; readonly name: string; readonly call: TestCallOptions } & PeerHost)
  | ({ readonly t: 'undo'; readonly command: string; readonly id: string; readonly kept: JsonValue } & PeerHost)
  | ({ readonly t: 'monitor'; readonly laterMs: number } & PeerHost);

/** `from` is a local address. */
export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  readonly from?: string;
}

interface PeerHost {
  readonly dataDir: string;
  readonly gateways: readonly { readonly host: string; readonly port: number }[];
}

export interface PeerAnswer {
  readonly result?: ActionResult;
  readonly kept?: readonly JsonValue[];
  /** Whether a connection was made, or whether a held connection still carries data. */
  readonly open?: boolean;
  /** The same for each target. */
  readonly reached?: readonly boolean[];
}

const TIMEOUT_MS = 1_500;
let held: Socket | undefined;

async function handle(request: PeerRequest): Promise<PeerAnswer> {
  switch (request.t) {
    case 'listen':
      await new Promise<void>((resolve, reject) => {
        const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
        server.once('error', reject).listen(request.port, request.host, resolve);
      });
      return {};
    case 'probe': {
      const sockets = await Promise.all(request.targets.map(tryConnect));
      for (const socket of sockets) socket?.destroy();
      return { reached: sockets.map((socket) => socket !== undefined) };
    }
    case 'hold':
      held = await tryConnect(request);
      return { open: held !== undefined };
    case 'echo':
      return { open: held !== undefined && (await echoes(held)) };
    case 'run': {
      const host = testHost({ dataDir: request.dataDir, gatewayPeers: () => request.gateways });
      const call = testCall(host, request.name, request.call);
      return { result: await createActions(host).run(call), kept: call.kept };
    }
    case 'undo': {
      const host = testHost({ dataDir: request.dataDir, gatewayPeers: () => request.gateways });
      const call = testCall(host, 'undo', { params: { command: request.command }, id: request.id });
      return { result: await createActions(host).undo(call, 'host.isolate', request.kept) };
    }
    case 'monitor': {
      const clock = { ...systemClock, now: () => Date.now() + request.laterMs };
      const host = testHost({ dataDir: request.dataDir, gatewayPeers: () => request.gateways, clock });
      const monitor = new IsolationMonitor(host);
      await monitor.start();
      monitor.stop();
      return {};
    }
  }
}

function tryConnect({ host, port, from }: ProbeTarget): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(from !== undefined && { localAddress: from }) });
    const timer = setTimeout(() => socket.destroy(), TIMEOUT_MS);
    const settle = (value: Socket | undefined): void => {
      clearTimeout(timer);
      resolve(value);
    };
    socket.once('connect', () => settle(socket));
    socket.once('close', () => settle(undefined));
    socket.on('error', () => {});
  });
}

function echoes(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), TIMEOUT_MS);
    socket.once('data', () => {
      clearTimeout(timer);
      resolve(true);
    });
    socket.write('ping');
  });
}

process.on('message', (request: PeerRequest) => {
  void handle(request).then((answer) => process.send?.(answer));
});
// The test has ended.
process.on('disconnect', () => process.exit());
