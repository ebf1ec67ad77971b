import { sleep } from '@muster/runtime/program';
import { closeSync, openSync } from 'node:fs';
import { basename } from 'node:path';
import { FAMILY, type Socket } from '../../tables/linux/parse/net.js';
import type { ActionCall, ActionImplementation, ActionResult, ProgramResult } from '../contract/action.js';
import { failed, refused, stopped, succeeded, unchanged, unsupported, wouldDo } from '../contract/results.js';
import { describeEnds, endOf, type Ends, findSockets, holdersOf, holds, namespaceOf, SELF } from './connections.js';
import { kernelHas, readKernelConfig } from './kernel-config.js';
import { agentAndParents, describeProcess, viewProcess } from './process-view.js';

const DESTROY = 'CONFIG_INET_DIAG_DESTROY';
const GONE_WITHIN_MS = 2_000;
const LOOK_EVERY_MS = 20;
/** Why there is no other way: what else can be done to a socket of a process ends or changes the process, or only leaves it waiting. */
const NO_FALLBACK = 'and nothing else ends a connection without touching its process';

/**
 * Ends a connection through the kernel's socket diagnostics (`ss -K`, sock_diag(7)): the process gets an error, the peer a reset.
 *
 * ss finds the socket by both its ends and not by its number. Should it close by itself and another be made between exactly the same ends after
 * we looked, that one is ended.
 */
export function killConnection(kernelConfig: () => string | undefined = readKernelConfig): ActionImplementation {
  return {
    run: (call) => {
      const wanted = wantedOf(call);
      if (wanted === undefined) return Promise.resolve(refused('bad_params', 'only TCP and UDP have connections'));
      const found = findWanted(wanted);
      return 'state' in found ? Promise.resolve(found) : end(call, wanted, found, kernelConfig());
    },
  };
}

interface Wanted extends Ends {
  /** Process that must hold it. */
  readonly pid: number | undefined;
  readonly inode: number | undefined;
  readonly namespace: string | undefined;
}

/** Numbers of protocols, and their names in parameters. */
const PROTOCOLS: Readonly<Record<string, Ends['protocol']>> = { 6: 'tcp', 17: 'udp', tcp: 'tcp', udp: 'udp' };

function wantedOf({ binding, params }: ActionCall): Wanted | undefined {
  const from = binding ?? params;
  const protocol = PROTOCOLS[text(from.protocol)];
  if (protocol === undefined) return undefined;
  const pid = Number(from.pid ?? -1);
  return {
    protocol,
    localAddress: text(from.local_address),
    localPort: Number(from.local_port),
    remoteAddress: text(from.remote_address),
    remotePort: Number(from.remote_port),
    // The table says -1 where it could not see the holder.
    pid: pid > 0 ? pid : undefined,
    inode: typeof from.socket === 'number' && from.socket > 0 ? from.socket : undefined,
    namespace: typeof from.net_namespace === 'string' ? from.net_namespace : undefined,
  };
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** Where the connection was found: in the network of which process, and its sockets. */
interface Found {
  readonly seenBy: number | typeof SELF;
  readonly sockets: readonly Socket[];
  /** Processes that hold it, as far as can be seen. */
  readonly holders: readonly number[];
}

/** The connection that is meant, or the result when it is not there or is another. */
function findWanted(wanted: Wanted): Found | ActionResult {
  const ends = describeEnds(wanted);
  const { pid, inode, namespace } = wanted;
  if (wanted.remotePort === 0) return refused('not_a_connection', `${ends} has no other side`);
  if (pid !== undefined && viewProcess(pid) === undefined) {
    return unchanged(`process ${pid} is gone, and ${ends} with it`);
  }
  const seenBy = pid ?? SELF;
  if (namespace !== undefined && namespace !== namespaceOf(seenBy)) {
    return pid === undefined
      ? unsupported('other_network', `${ends} is in another network of this machine, and whose it is cannot be seen`)
      : refused('changed', `process ${pid} is in another network than before`);
  }
  // What the kernel only remembers (TIME_WAIT) has no number any more.
  const sockets = findSockets(seenBy, wanted).filter((socket) => socket.inode !== 0 && !socket.listening);
  if (sockets.length === 0) return unchanged(`${ends} is closed already`);
  if (inode !== undefined && sockets.every((socket) => socket.inode !== inode)) {
    return refused('changed', `${ends} is another connection by now, between the same ends`);
  }
  if (pid !== undefined && !sockets.some((socket) => holds(pid, socket.inode))) {
    return refused('changed', `${ends} is not held by process ${pid}`);
  }
  return { seenBy, sockets, holders: sockets.flatMap((socket) => holdersOf(socket.inode)) };
}

async function end(call: ActionCall, ends: Ends, found: Found, config: string | undefined): Promise<ActionResult> {
  const guard = whyProtected(call, ends, found);
  if (guard !== undefined) return refused('protected', guard);
  const canEnd = kernelHas(DESTROY, config);
  if (canEnd === false) return unsupported('no_destroy', `this kernel was built without ${DESTROY}, ${NO_FALLBACK}`);
  const line = `${describeEnds(ends)} of ${describeHolders(found)}`;
  if (call.dryRun) return wouldDo('1 connection would be ended', [`end ${line}`]);
  const { code, stderr } = await destroy(call, ends, found);
  if (code === 127) return unsupported('no_ss', `this endpoint has no ss or nsenter, ${NO_FALLBACK}`);
  const isGone = await waitUntilGone(call, ends, found);
  if (isGone) return succeeded('1 connection ended', [`ended ${line}`]);
  if (call.signal.aborted) return stopped(call.signal, [`asked the kernel to end ${line}`]);
  if (/not permitted/i.test(stderr))
    return failed('not_permitted', `the agent may not end connections: ${stderr.trim()}`);
  return canEnd === undefined
    ? unsupported(
        'no_destroy',
        `${describeEnds(ends)} is still open; the kernel seems to be without ${DESTROY}, ${NO_FALLBACK}`,
      )
    : failed('still_open', `${describeEnds(ends)} is still open: ${stderr.trim() || 'ss says nothing'}`);
}

/** The agent's own connections, whichever end of them is meant, and those of protected processes. */
function whyProtected(call: ActionCall, ends: Ends, { seenBy, holders, sockets }: Found): string | undefined {
  const { host } = call;
  const own = agentAndParents();
  const line = describeEnds(ends);
  if (sockets.some((socket) => holds(SELF, socket.inode))) return `${line} is the agent's own`;
  const otherEnd = findSockets(seenBy, turned(ends));
  if (otherEnd.some((socket) => holds(SELF, socket.inode))) return `${line} is the other end of the agent's own`;
  const isPeer = host.gatewayPeers().some((peer) => peer.host === ends.remoteAddress && peer.port === ends.remotePort);
  if (isPeer && holders.length === 0) return `${line} goes to the agent's gateway, and whose it is cannot be seen`;
  for (const pid of holders) {
    const view = viewProcess(pid);
    if (view === undefined) continue;
    if (own.has(pid) && pid !== 1) return `${line} is held by ${describeProcess(view)}, which runs the agent`;
    const why = host.protect.name(view.name, basename(view.path)) ?? host.protect.path(view.path);
    if (why !== undefined) return `${line} is held by ${describeProcess(view)}, which is protected: ${why}`;
  }
  return undefined;
}

function turned({ protocol, localAddress, localPort, remoteAddress, remotePort }: Ends): Ends {
  return {
    protocol,
    localAddress: remoteAddress,
    localPort: remotePort,
    remoteAddress: localAddress,
    remotePort: localPort,
  };
}

function describeHolders({ holders }: Found): string {
  const views = holders.map((pid) => viewProcess(pid)).filter((view) => view !== undefined);
  return views.length === 0 ? 'nobody that can be seen' : views.map(describeProcess).join(', ');
}

/** In the network of the process: its namespace is opened first, so that it is the same one whatever becomes of the process. */
async function destroy(call: ActionCall, ends: Ends, { seenBy, sockets }: Found): Promise<ProgramResult> {
  const [socket] = sockets;
  const args = ssArguments(ends, socket);
  const { host, signal } = call;
  if (namespaceOf(seenBy) === namespaceOf(SELF)) return host.run('ss', args, { signal });
  const namespace = openSync(`/proc/${seenBy}/ns/net`, 'r');
  try {
    const net = `--net=/proc/${process.pid}/fd/${namespace}`;
    return await host.run('nsenter', [net, '--', 'ss', ...args], { signal });
  } finally {
    closeSync(namespace);
  }
}

/** A filter for exactly this connection; the addresses are those that the kernel has shown, not those that were asked for. */
export function ssArguments(ends: Ends, socket: Socket | undefined): string[] {
  const { protocol, localAddress, localPort, remoteAddress, remotePort } =
    socket === undefined ? ends : { ...ends, ...socket, protocol: ends.protocol };
  const family = socket?.family === FAMILY.inet6 || localAddress.includes(':') ? '-6' : '-4';
  const filter = ['src', endOf(localAddress, localPort), 'dst', endOf(remoteAddress, remotePort)];
  return ['-K', '-H', '-n', family, protocol === 'tcp' ? '-t' : '-u', ...filter];
}

async function waitUntilGone(
  { host: { clock }, signal }: ActionCall,
  ends: Ends,
  { seenBy, sockets }: Found,
): Promise<boolean> {
  const inodes = new Set(sockets.map((socket) => socket.inode));
  const isOpen = (): boolean => findSockets(seenBy, ends).some((socket) => inodes.has(socket.inode));
  const deadline = clock.monotonic() + GONE_WITHIN_MS;
  while (isOpen()) {
    if (clock.monotonic() >= deadline) return false;
    if ((await sleep(clock, LOOK_EVERY_MS, signal)) === 'aborted') return !isOpen();
  }
  return true;
}
