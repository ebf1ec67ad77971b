import { getServers } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ActionHost } from '../contract/action.js';
import { failed } from '../contract/results.js';
import { ActionStop } from '../contract/settle.js';
import type { FirewallBackend } from './firewall-backend.js';
import { createFirewall } from './create-firewall.js';
import { IsolationStore, type IsolationState } from './isolation-state.js';
import { parseNetworkAddress } from './network-address.js';
import { parseNameServers, resolveGateways, type AllowList } from './allow-list.js';

/** Where systemd-resolved keeps the servers that it asks; resolv.conf then names only itself. */
const UPSTREAM_SERVERS = '/run/systemd/resolve/resolv.conf';

/** The last work for each data directory. */
const last = new Map<string, Promise<unknown>>();

/** Runs `work` when all earlier work on the host's isolation has ended. One process owns a data directory, so a queue in memory is enough. */
export function withIsolation<T>(host: ActionHost, work: (isolation: Isolation) => Promise<T>): Promise<T> {
  const key = host.dataDir;
  const start = (): Promise<T> => work(new Isolation(host));
  const run = (last.get(key) ?? Promise.resolve()).then(start, start);
  last.set(key, run);
  const forget = (): void => {
    if (last.get(key) === run) last.delete(key);
  };
  run.then(forget, forget);
  return run;
}

/** The isolation of one machine: its firewall and the stored state. Use it through {@link withIsolation}, because calls must not overlap. */
export class Isolation {
  readonly firewall: FirewallBackend;
  readonly #host: ActionHost;
  readonly #store: IsolationStore;

  constructor(host: ActionHost) {
    this.#host = host;
    this.firewall = createFirewall(host);
    this.#store = new IsolationStore(host.dataDir);
  }

  /** What is remembered, whether or not its time is over. */
  current(): IsolationState | undefined {
    return this.#store.load();
  }

  /** Raises the barrier for the rest of the time and remembers it. Raised first: a barrier falls by itself, what is only written down would not. */
  async enforce(state: IsolationState, allowList: AllowList): Promise<void> {
    const leftMs = Math.min(state.releaseAtMs - this.#host.clock.now(), state.lastsMs);
    await this.firewall.apply(allowList, Math.max(1, Math.ceil(leftMs / 1000)));
    try {
      this.#store.save({ ...state, gateways: endpointsOf(allowList) });
    } catch (error) {
      await this.firewall.remove();
      throw error;
    }
  }

  /** Raises it anew when gateways have other addresses than the rules know, as those of load balancers change. */
  async refreshGateways(): Promise<void> {
    const state = this.current();
    if (state === undefined) return;
    const allowList = await this.allowList(state.allow);
    const known = new Set(state.gateways);
    if (endpointsOf(allowList).some((one) => !known.has(one))) await this.enforce(state, allowList);
  }

  /** Answers whether there was anything to end. */
  async end(): Promise<boolean> {
    const wasKnown = this.current() !== undefined;
    const wasUp = await this.firewall.remove();
    this.#store.clear();
    return wasUp || wasKnown;
  }

  /**
   * What stays reachable now. Domain servers are among it only when a gateway is known by name, because it could not be found again otherwise.
   * Ends the action when no gateway has an address: isolated, the machine would be out of everybody's reach.
   */
  async allowList(allow: readonly string[]): Promise<AllowList> {
    const peers = this.#host.gatewayPeers();
    const gateways = await resolveGateways(peers, lookupAll);
    if (gateways.length === 0) {
      throw new ActionStop(
        failed('no_gateway', 'no gateway has an address; isolated, nothing could reach this machine'),
      );
    }
    const isNamed = peers.some(({ host }) => isIP(host.replace(/^\[(.*)\]$/, '$1')) === 0);
    const own = ownAddresses();
    return {
      gateways: gateways.filter(({ address }) => !own.has(address.address)),
      resolvers: isNamed ? domainServers() : [],
      allowed: allow.map((text) => parseNetworkAddress(text)).filter((address) => address !== undefined),
    };
  }
}

function endpointsOf({ gateways }: AllowList): string[] {
  return gateways.map(({ address, port }) => `${address.address} ${port}`);
}

async function lookupAll(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** What is on this machine is reached over the loopback, which is never cut. */
function ownAddresses(): ReadonlySet<string> {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(addresses.map(({ address }) => parseNetworkAddress(address)?.address ?? address));
}

function domainServers(): AllowList['resolvers'] {
  let upstream = '';
  try {
    upstream = readFileSync(UPSTREAM_SERVERS, 'utf8');
  } catch {
    // Only systemd-resolved has it.
  }
  // With a port of its own a server is written `[address]:port`, which this does not read: it is not on port 53.
  const servers = getServers().map((server) => `nameserver ${server}`);
  const byAddress = new Map(parseNameServers([...servers, upstream].join('\n')).map((one) => [one.address, one]));
  return [...byAddress.values()];
}
