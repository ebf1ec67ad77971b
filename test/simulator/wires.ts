import type { SessionMode } from '@muster/protocol';
import type { SimulatedAgent } from './agent.js';
import type { ChannelBehaviour } from './channel.js';
import { sourceAddress } from './source-address.js';
import { PollClient } from './wire/poll-client.js';
import { PollWire, type PollStats } from './wire/poll-wire.js';
import { RawWebSocket } from './wire/raw-web-socket.js';
import type { Target } from './wire/target.js';
import type { Wire, WireOwner } from './wire/wire.js';

/** Opens the wires of a fleet's sessions, over either channel. */
export class Wires {
  readonly #targets: readonly [Target, ...Target[]];
  readonly #behaviour: ChannelBehaviour;
  readonly #stats: PollStats;
  readonly #client = new PollClient();

  constructor(targets: readonly [Target, ...Target[]], behaviour: ChannelBehaviour, stats: PollStats) {
    this.#targets = targets;
    this.#behaviour = behaviour;
    this.#stats = stats;
  }

  open(owner: WireOwner, agent: SimulatedAgent, { mode, gateway }: { mode: SessionMode; gateway: number }): Wire {
    const { token } = agent.identity;
    if (mode === 'live') {
      const target = this.#target(gateway);
      const localAddress = sourceAddress(target.host, agent.machine.index);
      return new RawWebSocket(target, owner, {
        authorization: token,
        ...(localAddress !== undefined && { localAddress }),
      });
    }
    let at = gateway;
    const target = (failed: boolean): Target => {
      if (failed || this.#behaviour.scattered) at += 1;
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
