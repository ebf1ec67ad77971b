import type { SessionMode } from '@muster/protocol';
import { PollClient } from './poll-client.js';
import { PollWire, type PollStats } from './poll-wire.js';
import { RawWebSocket } from './raw-web-socket.js';
import type { Target } from './target.js';
import type { Wire, WireOwner } from './wire.js';

/** The agent for which a wire is opened. */
export interface WireUser {
  readonly identity: { readonly token: string };
  readonly machine: { readonly index: number };
  readonly pollIntervalMs: number;
}

/** The channel, and the number of the gateway, modulo the number of gateways. */
export interface Route {
  readonly mode: SessionMode;
  readonly gateway: number;
  /** How long the gateway may take for its first answer. */
  readonly openTimeoutMs: number;
}

/** Opens the wires of a fleet's sessions, over either channel. */
export class Wires {
  readonly #targets: readonly [Target, ...Target[]];
  readonly #scattered: boolean;
  readonly #stats: PollStats;
  readonly #client = new PollClient();

  constructor(
    targets: readonly [Target, ...Target[]],
    { scattered }: { readonly scattered: boolean },
    stats: PollStats,
  ) {
    this.#targets = targets;
    this.#scattered = scattered;
    this.#stats = stats;
  }

  open(owner: WireOwner, agent: WireUser, { mode, gateway, openTimeoutMs }: Route): Wire {
    const { token } = agent.identity;
    if (mode === 'live') {
      const target = this.#target(gateway);
      const localAddress = sourceAddress(target.host, agent.machine.index);
      return new RawWebSocket(target, owner, {
        authorization: token,
        openTimeoutMs,
        ...(localAddress !== undefined && { localAddress }),
      });
    }
    let at = gateway;
    const target = (failed: boolean): Target => {
      if (failed || this.#scattered) at += 1;
      return this.#target(at);
    };
    const intervalMs = (): number => agent.pollIntervalMs;
    return new PollWire({ client: this.#client, stats: this.#stats, token, target, intervalMs }, owner);
  }

  stop(): void {
    this.#client.stop();
  }

  #target(index: number): Target {
    return this.#targets[index % this.#targets.length] ?? this.#targets[0];
  }
}

/** Agents per source address: far below the 28,232 ephemeral ports that Linux has for one address and one destination. */
const AGENTS_PER_ADDRESS = 4_000;

/**
 * The address from which agent `index` connects; `undefined` leaves it to the kernel. To the loopback network any address of 127.0.0.0/8
 * can connect, so a fleet of any size has enough ports.
 */
export function sourceAddress(host: string, index: number): string | undefined {
  if (process.platform !== 'linux' || !host.startsWith('127.')) return undefined;
  const block = Math.floor(index / AGENTS_PER_ADDRESS) + 1;
  return `127.${(block >> 8) & 63}.${block & 255}.2`;
}
