import { isIPv4 } from 'node:net';
import type { ActionHost, ActionImplementation } from '../contract/action.js';
import { refused, succeeded, unchanged, unsupported, wouldDo } from '../contract/results.js';
import { callText } from '../contract/call-values.js';
import { settle } from '../contract/settle.js';
import { rowsOf, runScript } from './powershell.js';

export const FIND_CONNECTION = `ConvertTo-Json -Compress @(Get-NetTCPConnection -LocalAddress $in.local_address -LocalPort $in.local_port -RemoteAddress $in.remote_address -RemotePort $in.remote_port -ErrorAction SilentlyContinue | ForEach-Object { @{ pid = $_.OwningProcess; state = [string]$_.State } })`;

/** SetTcpEntry with state 12 (delete the TCB), the only API for it on Windows. Ports are in network byte order. */
export const END_CONNECTION = `Add-Type -Namespace Muster -Name Tcp -MemberDefinition '[StructLayout(LayoutKind.Sequential)] public struct Row { public uint State, LocalAddr, LocalPort, RemoteAddr, RemotePort; } [DllImport("iphlpapi.dll")] public static extern uint SetTcpEntry(ref Row row);'; function Addr($a) { [BitConverter]::ToUInt32([Net.IPAddress]::Parse($a).GetAddressBytes(), 0) }; function Port($p) { [uint32][uint16][Net.IPAddress]::HostToNetworkOrder([int16]($p - $(if ($p -gt 32767) { 65536 } else { 0 }))) -band 65535 }; $r = New-Object Muster.Tcp+Row; $r.State = 12; $r.LocalAddr = Addr $in.local_address; $r.LocalPort = Port $in.local_port; $r.RemoteAddr = Addr $in.remote_address; $r.RemotePort = Port $in.remote_port; $code = [Muster.Tcp]::SetTcpEntry([ref]$r); if ($code -ne 0) { throw "SetTcpEntry: $code" }`;

/** Parameters have the name, rows the number. */
const TCP = new Set(['tcp', '6']);

/** `connection.kill`. */
export const killConnection: ActionImplementation = {
  run: (call) =>
    settle(call, async () => {
      const local = callText(call, 'local_address') ?? '';
      const remote = callText(call, 'remote_address') ?? '';
      if (!TCP.has(callText(call, 'protocol') ?? 'tcp')) {
        return unsupported('protocol', 'Windows can end TCP connections only');
      }
      if (!isIPv4(local) || !isIPv4(remote)) return unsupported('ipv6', 'Windows can end connections over IPv4 only');
      const ends = {
        local_address: local,
        local_port: Number(callText(call, 'local_port')),
        remote_address: remote,
        remote_port: Number(callText(call, 'remote_port')),
      };
      const named = `${local}:${ends.local_port} to ${remote}:${ends.remote_port}`;
      if (isGateway(call.host, remote, ends.remote_port)) {
        return refused('protected', `${named} is the agent's own way to its gateway`);
      }
      const [found] = rowsOf(await runScript(call.host, FIND_CONNECTION, ends));
      if (found === undefined) return unchanged(`there is no connection from ${named} any more`);
      const owner = Number(found['pid']);
      const pid = callText(call, 'pid');
      if (pid !== undefined && Number(pid) !== owner) {
        return refused('changed', `the connection from ${named} is held by process ${owner} now`);
      }
      if (call.dryRun)
        return wouldDo('1 connection would end', [`end the connection from ${named} of process ${owner}`]);
      call.signal.throwIfAborted();
      await runScript(call.host, END_CONNECTION, ends);
      return succeeded('1 connection ended', [`ended the connection from ${named} of process ${owner}`]);
    }),
};

function isGateway(host: ActionHost, address: string, port: number): boolean {
  return host.gatewayPeers().some((peer) => peer.host === address && peer.port === port);
}
