import type { ActionCall, ActionImplementation, ActionResult } from '../contract/action.js';
import { callText } from '../contract/call-values.js';
import {
  counted,
  failed,
  refused,
  stopped,
  succeeded,
  unchanged,
  unsupported,
  withVerb,
  wouldDo,
} from '../contract/results.js';

/** An entry of the kernel's neighbour table. */
export interface Neighbour {
  readonly address: string;
  readonly interface: string;
  readonly mac: string;
  /** Set by hand, or not learned by ARP. Such entries are never removed. */
  readonly isPermanent: boolean;
  /** Seconds since the kernel changed the entry; only of `ip -s`. */
  readonly updatedS?: number;
}

/** `arp.flush`: removes learned neighbour entries with ip(8). Entries set by hand stay. */
export const flushArp: ActionImplementation = { run: flush };

interface NeighbourFilter {
  readonly address: string | undefined;
  readonly interface: string | undefined;
  readonly mac: string | undefined;
}

async function flush(call: ActionCall): Promise<ActionResult> {
  const filter = filterOf(call);
  const listed = await list(call, filter);
  if ('state' in listed) return listed;
  const target = filter.interface === undefined ? 'every interface' : filter.interface;
  if (filter.address !== undefined) {
    const other = listed.find((one) => filter.mac !== undefined && one.mac.toLowerCase() !== filter.mac);
    if (other !== undefined) {
      return refused('changed', `${other.address} is at ${other.mac} by now, not at ${filter.mac ?? ''}`);
    }
    const permanent = listed.find((one) => one.isPermanent);
    if (permanent !== undefined)
      return refused('protected', `${permanent.address} was set by hand on ${permanent.interface}`);
  }
  const learned = listed.filter((one) => !one.isPermanent);
  if (learned.length === 0) {
    return unchanged(`nothing is known of ${filter.address ?? 'any neighbour'} on ${target}`);
  }
  if (call.dryRun)
    return wouldDo(`${counted(learned.length, 'neighbour')} would be forgotten`, withVerb('forget', learned.map(line)));
  return forget(call, filter, learned);
}

function filterOf(call: ActionCall): NeighbourFilter {
  const [address, device, mac] = ['address', 'interface', 'mac'].map((key) => callText(call, key));
  return { address, interface: device, mac: mac?.toLowerCase() };
}

async function forget(call: ActionCall, filter: NeighbourFilter, learned: readonly Neighbour[]): Promise<ActionResult> {
  const where = filter.interface === undefined ? ['all'] : ['dev', filter.interface];
  const commands =
    filter.address === undefined
      ? [['neigh', 'flush', ...where]]
      : learned.map((one) => ['neigh', 'del', one.address, 'dev', one.interface]);
  const faults: string[] = [];
  const beganMs = call.host.clock.monotonic();
  for (const args of commands) {
    const { code, stderr } = await call.host.run('ip', args, { signal: call.signal });
    // The kernel has already removed the entry.
    if (code !== 0 && !/No such file/i.test(stderr)) faults.push(stderr.trim());
  }
  if (call.signal.aborted) return stopped(call.signal, withVerb('told to forget', learned.map(line)));
  const effects = withVerb('forgot', learned.map(line));
  const [fault] = faults;
  if (fault !== undefined) return failed(/not permitted/i.test(fault) ? 'not_permitted' : 'ip_failed', fault);
  const after = await list(call, filter, ['-s']);
  if ('state' in after)
    return failed('not_seen', `ip ended well, and what is known now cannot be seen: ${after.message}`);
  const again = after.filter((one) => !one.isPermanent);
  const passedS = (call.host.clock.monotonic() - beganMs) / 1_000;
  // A new entry is not older than the order.
  const kept = again.filter(({ updatedS }) => updatedS !== undefined && updatedS > passedS + 1);
  const [first] = kept;
  if (first !== undefined) {
    const gone = withVerb(
      'forgot',
      learned.filter((one) => !kept.some((other) => line(other) === line(one))).map(line),
    );
    return failed(
      'still_known',
      `ip ended well, and ${counted(kept.length, 'neighbour')} stayed: ${line(first)}`,
      gone,
    );
  }
  return succeeded(
    `${counted(learned.length, 'neighbour')} forgotten`,
    again.length === 0 ? effects : [`${again.length} learned anew since`, ...effects],
  );
}

/** Lists the entries that match the filter. */
async function list(
  { host, signal }: ActionCall,
  filter: NeighbourFilter,
  options: readonly string[] = [],
): Promise<readonly Neighbour[] | ActionResult> {
  const where = filter.interface === undefined ? [] : ['dev', filter.interface];
  const { code, stdout, stderr } = await host.run('ip', [...options, 'neigh', 'show', ...where], { signal });
  if (signal.aborted) return stopped(signal);
  if (code === 127) return unsupported('no_ip', 'this endpoint has no ip(8)');
  if (code !== 0 && /Cannot find device/i.test(stderr)) {
    return failed('not_found', `there is no interface ${filter.interface ?? ''}`);
  }
  if (code !== 0) return failed('ip_failed', stderr.trim());
  const all = parseNeighbours(stdout, filter.interface);
  return filter.address === undefined ? all : all.filter((one) => one.address === filter.address);
}

/**
 * Parses `ip neigh show`: `10.0.0.2 dev eth0 lladdr 02:00:00:00:00:02 REACHABLE`. Unresolved entries have no hardware
 * address and are left out. With `dev` in the command, some versions omit it in the output.
 */
export function parseNeighbours(text: string, device?: string): Neighbour[] {
  return text.split('\n').flatMap((raw) => {
    const words = raw.trim().split(/\s+/);
    const after = (key: string): string | undefined =>
      words.includes(key) ? words[words.indexOf(key) + 1] : undefined;
    const [address] = words;
    const [mac, on] = [after('lladdr'), after('dev') ?? device];
    if (address === undefined || mac === undefined || on === undefined) return [];
    const isPermanent = words.includes('PERMANENT') || words.includes('NOARP');
    // Seconds since it was used, confirmed and updated.
    const updated = /^\d+\/\d+\/(\d+)$/.exec(after('used') ?? '')?.[1];
    return [{ address, interface: on, mac, isPermanent, ...(updated !== undefined && { updatedS: Number(updated) }) }];
  });
}

function line(one: Neighbour): string {
  return `${one.address} at ${one.mac} on ${one.interface}`;
}
