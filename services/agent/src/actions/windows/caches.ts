import type { ActionImplementation } from '../contract/action.js';
import { flushResolverCache } from '../contract/flush-resolver-cache.js';
import { refused, succeeded, unchanged, withVerb, wouldDo } from '../contract/results.js';
import { callText } from '../contract/call-values.js';
import { runOrStop, settle } from '../contract/settle.js';
import { SYSTEM32 } from '../../host/windows-programs.js';
import { rowsOf, runScript } from './powershell.js';

/** Finds learned neighbours. Entries set by hand are permanent. An interface is given by number or name. */
export const FIND_NEIGHBOURS = `ConvertTo-Json -Compress @(Get-NetNeighbor -ErrorAction SilentlyContinue | Where-Object { $_.State -ne 'Permanent' -and (-not $in.address -or $_.IPAddress -eq $in.address) -and (-not $in.interface -or [string]$_.InterfaceIndex -eq $in.interface -or $_.InterfaceAlias -eq $in.interface) } | ForEach-Object { @{ address = $_.IPAddress; index = $_.InterfaceIndex; mac = $_.LinkLayerAddress } })`;

export const REMOVE_NEIGHBOURS = `foreach ($n in $in.neighbours) { Remove-NetNeighbor -InterfaceIndex $n.index -IPAddress $n.address -Confirm:$false -ErrorAction SilentlyContinue }`;

/** `arp.flush`. */
export const flushArp: ActionImplementation = {
  run: (call) =>
    settle(call, async () => {
      const [address, behind, mac] = ['address', 'interface', 'mac'].map((key) => callText(call, key));
      const isAll = address === undefined && behind === undefined;
      const found = rowsOf(
        await runScript(call.host, FIND_NEIGHBOURS, { address: address ?? null, interface: behind ?? null }),
      );
      if (found.length === 0) return unchanged('no neighbour is known there');
      const [first] = found;
      if (mac !== undefined && macDigits(first?.['mac']) !== macDigits(mac)) {
        return refused('changed', `${address} has hardware address ${String(first?.['mac'])} now, not ${mac}`);
      }
      const lines = found.map((one) => `${String(one['address'])} (${String(one['mac'])})`);
      if (call.dryRun) return wouldDo(`${found.length} neighbour(s) would be forgotten`, withVerb('forget', lines));
      call.signal.throwIfAborted();
      if (isAll) await runOrStop(call.host, `${SYSTEM32}netsh.exe`, ['interface', 'ip', 'delete', 'arpcache']);
      else
        await runScript(call.host, REMOVE_NEIGHBOURS, {
          neighbours: found.map(({ address: a, index }) => ({ address: a, index })),
        });
      return succeeded(`${found.length} neighbour(s) forgotten`, withVerb('forgot', lines));
    }),
};

/** `dns.flush`. */
export const flushDns = flushResolverCache('the DNS client service', [[`${SYSTEM32}ipconfig.exe`, ['/flushdns']]]);

function macDigits(mac: unknown): string {
  return typeof mac === 'string' ? mac.toLowerCase().replace(/[^0-9a-f]/g, '') : '';
}
