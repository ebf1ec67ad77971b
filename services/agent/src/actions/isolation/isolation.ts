import { getServers } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { readLocalFile } from '../../host/local-file.js';
import type { ActionHost } from '../contract/action.js';
import { failed } from '../contract/results.js';
import { ActionStop } from '../contract/settle.js';
import { IsolationStore, type IsolationState } from './isolation-state.js';
import { NetshFirewall } from './netsh-firewall.js';
import { parseNetworkAddress } from './network-address.js';
import { NftFirewall } from './nft-firewall.js';
import { PfFirewall } from './pf-firewall.js';
import { parseNameServers, resolveGateways, type AllowList, type FirewallBackend } from './allow-list.js';

/** The upstream servers of systemd-resolved. resolv.conf then names only systemd-resolved itself. */
const UPSTREAM_SERVERS = '/run/systemd/resolve/resolv.conf';

const FIREWALLS = { linux: NftFirewall, windows: NetshFirewall, darwin: PfFirewall };

/** The last work for each data directory. */
const last = new Map<string, Promise<unknown>>();

/** Runs `work` after all earlier work on the host's isolation. One process owns a data directory, so a queue in memory is enough. */
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

/** The isolation of one machine: firewall and stored state. Calls must not overlap, so use it through {@link withIsolation}. */
export class Isolation {
  readonly firewall: FirewallBackend;
  readonly #host: ActionHost;
  readonly #store: IsolationStore;

  constructor(host: ActionHost) {
    this.#host = host;
    this.firewall = new FIREWALLS[host.platform](host);
    this.#store = new IsolationStore(host.dataDir);
  }

  /** The stored state, expired or not. */
  current(): IsolationState | undefined {
    return this.#store.load();
  }

  /**
   * Applies the rules for the remaining time, then stores the state. In this order, because rules expire by themselves
   * and a state does not. Resolves to what a look at the firewall showed.
   */
  async enforce(state: IsolationState, allowList: AllowList): Promise<string | undefined> {
    const leftMs = Math.min(state.releaseAtMs - this.#host.clock.now(), state.lastsMs);
    const seen = await this.firewall.apply(allowList, Math.max(1, Math.ceil(leftMs / 1000)));
    try {
      this.#store.save({ ...state, gateways: endpointsOf(allowList) });
    } catch (error) {
      await this.firewall.remove();
      throw error;
    }
    return seen;
  }

  /** Applies the rules again when gateways have addresses that the rules do not contain, as with load balancers. */
  async refreshGateways(): Promise<void> {
    const state = this.current();
    if (state === undefined) return;
    const allowList = await this.allowList(state.allow);
    const known = new Set(state.gateways);
    if (endpointsOf(allowList).some((one) => !known.has(one))) await this.enforce(state, allowList);
  }

  /** Resolves to whether there was an isolation to end. */
  async end(): Promise<boolean> {
    const wasKnown = this.current() !== undefined;
    const wasUp = await this.firewall.remove();
    this.#store.clear();
    return wasUp || wasKnown;
  }

  /**
   * Builds the allow list for now. It contains DNS servers only when a gateway is configured by name, because the agent
   * must resolve it again. Throws {@link ActionStop} when no gateway has an address: nobody could reach the isolated
   * machine any more.
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

/** Own addresses are reached over the loopback interface, which stays open. */
function ownAddresses(): ReadonlySet<string> {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(addresses.map(({ address }) => parseNetworkAddress(address)?.address ?? address));
}

function domainServers(): AllowList['resolvers'] {
  // Empty on a machine that does not use systemd-resolved.
  const upstream = readLocalFile(UPSTREAM_SERVERS) ?? '';
  // A server on another port is written `[address]:port`. It is left out, because only port 53 is allowed.
  const servers = getServers().map((server) => `nameserver ${server}`);
  const byAddress = new Map(parseNameServers([...servers, upstream].join('\n')).map((one) => [one.address, one]));
  return [...byAddress.values()];
}
