import { closeSync, existsSync, openSync } from 'node:fs';
import { FAMILY, type Socket } from '../../tables/linux/parse/net.js';
import type { ActionCall, ActionImplementation, ActionResult, ProgramResult } from '../contract/action.js';
import { pollUntil } from '../contract/poll-until.js';
import { failed, refused, stopped, succeeded, unchanged, unsupported, wouldDo } from '../contract/results.js';
import {
  describeConnection,
  formatEndpoint,
  type FiveTuple,
  findSockets,
  holdersOf,
  holds,
  namespaceOf,
  SELF,
} from './connections.js';
import { kernelHas, readKernelConfig } from './kernel-config.js';
import { agentAndAncestors, describeProcess, viewProcess } from './process-view.js';
import { configuredProtection } from './process-protection.js';

const DESTROY = 'CONFIG_INET_DIAG_DESTROY';
const CLOSE_WAIT = { timeoutMs: 2_000, intervalMs: 20 };
/** Other ways to end a connection would kill or change its process, or only let the connection time out. */
const NO_FALLBACK = 'and nothing else ends a connection without touching its process';

/**
 * `connection.kill` through the kernel's socket diagnostics (`ss -K`, sock_diag(7)). The process gets an error and the
 * peer a reset.
 *
 * ss selects the socket by addresses and ports, not by its inode. If the connection closes after our check and a new
 * one with the same addresses and ports opens, the new one is ended.
 */
export function killConnection(kernelConfig: () => string | undefined = readKernelConfig): ActionImplementation {
  return {
    run: (call) => {
      const target = targetOf(call);
      if (target === undefined) return Promise.resolve(refused('bad_params', 'only TCP and UDP have connections'));
      const found = findTarget(target);
      return 'state' in found ? Promise.resolve(found) : end(call, target, found, kernelConfig());
    },
  };
}

interface ConnectionTarget extends FiveTuple {
  /** The process that must hold it. */
  readonly pid: number | undefined;
  readonly inode: number | undefined;
  readonly namespace: string | undefined;
}

/** Protocol numbers of rows and protocol names of parameters. */
const PROTOCOLS: Readonly<Record<string, FiveTuple['protocol']>> = { 6: 'tcp', 17: 'udp', tcp: 'tcp', udp: 'udp' };

function targetOf({ binding, params }: ActionCall): ConnectionTarget | undefined {
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
    // The table has -1 when the holder is unknown.
    pid: pid > 0 ? pid : undefined,
    inode: typeof from.socket === 'number' && from.socket > 0 ? from.socket : undefined,
    namespace: typeof from.net_namespace === 'string' ? from.net_namespace : undefined,
  };
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** A found connection: the process whose network namespace it is in, and its sockets. */
interface FoundConnection {
  readonly seenBy: number | typeof SELF;
  readonly sockets: readonly Socket[];
  /** Ids of the processes that hold it, as far as known. */
  readonly holders: readonly number[];
}

/** Finds the connection, or returns the result when it does not exist or is another one. */
function findTarget(target: ConnectionTarget): FoundConnection | ActionResult {
  const name = describeConnection(target);
  const { pid, inode, namespace } = target;
  if (target.remotePort === 0) return refused('not_a_connection', `${name} has no other side`);
  if (pid !== undefined && viewProcess(pid) === undefined) {
    return unchanged(`process ${pid} is gone, and ${name} with it`);
  }
  const seenBy = pid ?? SELF;
  if (namespace !== undefined && namespace !== namespaceOf(seenBy)) {
    return pid === undefined
      ? unsupported('other_network', `${name} is in another network of this machine, and whose it is cannot be seen`)
      : refused('changed', `process ${pid} is in another network than before`);
  }
  // Connections in TIME_WAIT have inode 0.
  const sockets = findSockets(seenBy, target).filter((socket) => socket.inode !== 0 && !socket.listening);
  if (sockets.length === 0) return unchanged(`${name} is closed already`);
  if (inode !== undefined && sockets.every((socket) => socket.inode !== inode)) {
    return refused('changed', `${name} is another connection by now, between the same ends`);
  }
  if (pid !== undefined && !sockets.some((socket) => holds(pid, socket.inode))) {
    return refused('changed', `${name} is not held by process ${pid}`);
  }
  return { seenBy, sockets, holders: sockets.flatMap((socket) => holdersOf(socket.inode)) };
}

async function end(
  call: ActionCall,
  tuple: FiveTuple,
  found: FoundConnection,
  config: string | undefined,
): Promise<ActionResult> {
  const guard = protectionReason(call, tuple, found);
  if (guard !== undefined) return refused('protected', guard);
  const canEnd = kernelHas(DESTROY, config);
  if (canEnd === false) return unsupported('no_destroy', `this kernel was built without ${DESTROY}, ${NO_FALLBACK}`);
  const line = `${describeConnection(tuple)} of ${describeHolders(found)}`;
  if (call.dryRun) return wouldDo('1 connection would be ended', [`end ${line}`]);
  const { code, stderr } = await destroy(call, tuple, found);
  if (code === 127) return unsupported('no_ss', `this endpoint has no ss or nsenter, ${NO_FALLBACK}`);
  const inodes = new Set(found.sockets.map((socket) => socket.inode));
  const isGone = await pollUntil(
    call,
    CLOSE_WAIT,
    () => !findSockets(found.seenBy, tuple).some((socket) => inodes.has(socket.inode)),
  );
  if (isGone) return succeeded('1 connection ended', [`ended ${line}`]);
  if (call.signal.aborted) return stopped(call.signal, [`asked the kernel to end ${line}`]);
  if (/not permitted/i.test(stderr))
    return failed('not_permitted', `the agent may not end connections: ${stderr.trim()}`);
  return canEnd === undefined
    ? unsupported(
        'no_destroy',
        `${describeConnection(tuple)} is still open; the kernel seems to be without ${DESTROY}, ${NO_FALLBACK}`,
      )
    : failed('still_open', `${describeConnection(tuple)} is still open: ${stderr.trim() || 'ss says nothing'}`);
}

/** Protects both ends of the agent's own connections, and the connections of protected processes. */
function protectionReason(
  call: ActionCall,
  tuple: FiveTuple,
  { seenBy, holders, sockets }: FoundConnection,
): string | undefined {
  const { host } = call;
  const own = agentAndAncestors();
  const line = describeConnection(tuple);
  const isOurs = ({ inode }: Socket): boolean => host.agentPids.some((pid) => holds(pid, inode));
  if (sockets.some(isOurs)) return `${line} is the agent's own`;
  const peerSockets = findSockets(seenBy, reversed(tuple));
  if (peerSockets.some(isOurs)) return `${line} is the other end of the agent's own`;
  const isPeer = host
    .gatewayPeers()
    .some((peer) => peer.host === tuple.remoteAddress && peer.port === tuple.remotePort);
  if (isPeer && holders.length === 0) return `${line} goes to the agent's gateway, and whose it is cannot be seen`;
  for (const pid of holders) {
    const view = viewProcess(pid);
    if (view === undefined) continue;
    if (own.has(pid) && pid !== 1) return `${line} is held by ${describeProcess(view)}, which runs the agent`;
    const why = configuredProtection(view, host);
    if (why !== undefined) return `${line} is held by ${describeProcess(view)}, which is protected: ${why}`;
  }
  return undefined;
}

function reversed({ protocol, localAddress, localPort, remoteAddress, remotePort }: FiveTuple): FiveTuple {
  return {
    protocol,
    localAddress: remoteAddress,
    localPort: remotePort,
    remoteAddress: localAddress,
    remotePort: localPort,
  };
}

function describeHolders({ holders }: FoundConnection): string {
  const views = holders.map((pid) => viewProcess(pid)).filter((view) => view !== undefined);
  return views.length === 0 ? 'nobody that can be seen' : views.map(describeProcess).join(', ');
}

const DENIED = /not permitted|permission denied/i;

function hasSystemd(): boolean {
  return existsSync('/run/systemd/system');
}

/** Runs ss in the network namespace of the process. The namespace is opened first, so that it stays the same when the process ends. */
async function destroy(
  call: ActionCall,
  tuple: FiveTuple,
  { seenBy, sockets }: FoundConnection,
): Promise<ProgramResult> {
  const [socket] = sockets;
  const args = ssArguments(tuple, socket);
  const { host, signal } = call;
  if (namespaceOf(seenBy) === namespaceOf(SELF)) return host.run('ss', args, { signal });
  const namespace = openSync(`/proc/${seenBy}/ns/net`, 'r');
  try {
    const net = `--net=/proc/${process.pid}/fd/${namespace}`;
    const entered = await host.run('nsenter', [net, '--', 'ss', ...args], { signal });
    if (entered.code === 0 || !DENIED.test(entered.stderr) || !hasSystemd()) return entered;
    // The unit of the agent has no right to enter namespaces: systemd does it for the one program.
    const path = `--property=NetworkNamespacePath=/proc/${process.pid}/fd/${namespace}`;
    return await host.run('systemd-run', ['--quiet', '--wait', '--pipe', '--collect', path, '--', 'ss', ...args], {
      signal,
    });
  } finally {
    closeSync(namespace);
  }
}

/** Builds the ss filter for exactly this connection. Uses the addresses that the kernel reported, not those of the request. */
export function ssArguments(tuple: FiveTuple, socket: Socket | undefined): string[] {
  const { protocol, localAddress, localPort, remoteAddress, remotePort } =
    socket === undefined ? tuple : { ...tuple, ...socket, protocol: tuple.protocol };
  const family = socket?.family === FAMILY.inet6 || localAddress.includes(':') ? '-6' : '-4';
  const filter = ['src', formatEndpoint(localAddress, localPort), 'dst', formatEndpoint(remoteAddress, remotePort)];
  return ['-K', '-H', '-n', family, protocol === 'tcp' ? '-t' : '-u', ...filter];
}
