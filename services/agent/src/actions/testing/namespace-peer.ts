/**
 * A process within a network namespace of a test, told by messages what to do there: listen, try to connect, hold a connection, run actions as an agent
 * would. One message in, one message out.
 */
import { createServer, connect, type Socket } from 'node:net';
import { systemClock } from '@muster/runtime/program';
import type { ActionResult, JsonValue } from '../contract/action.js';
import { createActions } from '../create-actions.js';
import { IsolationWatch } from '../isolation/isolation-monitor.js';
import { fixtureCall, fixtureHost, type CallFixture } from './call-fixture.js';

export type PeerOrder =
  | { readonly t: 'listen'; readonly host: string; readonly port: number }
  | { readonly t: 'probe'; readonly targets: readonly ProbeTarget[] }
  | { readonly t: 'hold'; readonly host: string; readonly port: number }
  | { readonly t: 'say' }
  | ({ readonly t: 'run'; readonly name: string; readonly call: CallFixture } & PeerHost)
  | ({ readonly t: 'undo'; readonly command: string; readonly id: string; readonly kept: JsonValue } & PeerHost)
  | ({ readonly t: 'watch'; readonly laterMs: number } & PeerHost);

/** `from`: an address of this side. */
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
  /** Whether a connection was made, or a held one still carries data both ways. */
  readonly open?: boolean;
  /** The same for each target. */
  readonly reached?: readonly boolean[];
}

const PATIENCE_MS = 1_500;
let held: Socket | undefined;

async function obey(order: PeerOrder): Promise<PeerAnswer> {
  switch (order.t) {
    case 'listen':
      await new Promise<void>((resolve, reject) => {
        const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
        server.once('error', reject).listen(order.port, order.host, resolve);
      });
      return {};
    case 'probe': {
      const sockets = await Promise.all(order.targets.map(tryConnect));
      for (const socket of sockets) socket?.destroy();
      return { reached: sockets.map((socket) => socket !== undefined) };
    }
    case 'hold':
      held = await tryConnect(order);
      return { open: held !== undefined };
    case 'say':
      return { open: held !== undefined && (await echoes(held)) };
    case 'run': {
      const host = fixtureHost(order.dataDir, { gatewayPeers: () => order.gateways });
      const call = fixtureCall(host, order.name, order.call);
      return { result: await createActions(host).run(call), kept: call.kept };
    }
    case 'undo': {
      const host = fixtureHost(order.dataDir, { gatewayPeers: () => order.gateways });
      const call = fixtureCall(host, 'undo', { params: { command: order.command }, id: order.id });
      return { result: await createActions(host).undo(call, 'host.isolate', order.kept) };
    }
    case 'watch': {
      const clock = { ...systemClock, now: () => Date.now() + order.laterMs };
      const host = fixtureHost(order.dataDir, { gatewayPeers: () => order.gateways, clock });
      const watch = new IsolationWatch(host);
      await watch.start();
      watch.stop();
      return {};
    }
  }
}

function tryConnect({ host, port, from }: ProbeTarget): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(from !== undefined && { localAddress: from }) });
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
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
    const timer = setTimeout(() => resolve(false), PATIENCE_MS);
    socket.once('data', () => {
      clearTimeout(timer);
      resolve(true);
    });
    socket.write('ping');
  });
}

process.on('message', (order: PeerOrder) => {
  void obey(order).then((answer) => process.send?.(answer));
});
// The test has ended, whichever way.
process.on('disconnect', () => process.exit());
