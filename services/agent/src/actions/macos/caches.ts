import type { ActionImplementation } from '../contract/action.js';
import { flushResolverCache } from '../contract/flush-resolver-cache.js';
import { matchLines } from '../contract/match-lines.js';
import { refused, succeeded, unchanged, withVerb, wouldDo } from '../contract/results.js';
import { runOrStop, settle } from '../contract/settle.js';

const ARP = '/usr/sbin/arp';

export interface MacNeighbour {
  readonly address: string;
  readonly mac: string;
  readonly interface: string;
  readonly isPermanent: boolean;
}

/** `arp.flush`. Removes entries one by one, so that entries set by hand stay. */
export const flushArp: ActionImplementation = {
  run: (call) =>
    settle(call, async () => {
      const { address, interface: behind, mac } = call.binding ?? call.params;
      const all = parseNeighbours(await runOrStop(call.host, ARP, ['-a', '-n']));
      const found = all.filter(
        (one) =>
          !one.isPermanent &&
          (address === undefined || one.address === address) &&
          (behind === undefined || one.interface === behind),
      );
      const [first] = found;
      if (first === undefined) return unchanged('no neighbour is known there');
      if (typeof mac === 'string' && normalMac(mac) !== first.mac) {
        return refused('changed', `${first.address} has hardware address ${first.mac} now, not ${mac}`);
      }
      const lines = found.map((one) => `${one.address} (${one.mac}) on ${one.interface}`);
      if (call.dryRun) return wouldDo(`${found.length} neighbour(s) would be forgotten`, withVerb('forget', lines));
      for (const one of found) {
        call.signal.throwIfAborted();
        await runOrStop(call.host, ARP, ['-d', one.address]);
      }
      return succeeded(`${found.length} neighbour(s) forgotten`, withVerb('forgot', lines));
    }),
};

/** `dns.flush`. */
export const flushDns = flushResolverCache('mDNSResponder', [
  ['/usr/bin/dscacheutil', ['-flushcache']],
  ['/usr/bin/killall', ['-HUP', 'mDNSResponder']],
]);

/** Parses `arp -an`: `? (10.0.0.1) at 0:1b:21:a:b:c on en0 ifscope [ethernet]`. */
export function parseNeighbours(text: string): MacNeighbour[] {
  const pattern = /^\S+ \(([\d.]+)\) at ([0-9a-f:]+) on (\S+)(.*)$/;
  return matchLines(text, pattern, ([address = '', mac = '', on = '', rest = '']) => {
    return { address, mac: normalMac(mac), interface: on, isPermanent: rest.includes('permanent') };
  });
}

/** macOS omits leading zeros. */
function normalMac(mac: string): string {
  return mac
    .toLowerCase()
    .split(/[:-]/)
    .map((part) => part.padStart(2, '0'))
    .join(':');
}
