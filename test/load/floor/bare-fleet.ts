import { Pacer } from '../../simulator/pacer.js';
import { sourceAddress } from '../../simulator/source-address.js';
import { targetsOf } from '../../simulator/targets.js';
import { RawWebSocket } from '../../simulator/wire/raw-web-socket.js';
import type { Target } from '../../simulator/wire/target.js';
import type { WireEnd, WireOwner } from '../../simulator/wire/wire.js';
import { FLOOR_SUBPROTOCOL } from './floor-gateway.js';

export interface BareFleetOptions {
  readonly gateway: string;
  readonly ca?: string;
  readonly agents: number;
  readonly connectsPerSecond: number;
  /** What every agent says to every question. */
  readonly answer: Uint8Array;
}

/** As many sockets as a fleet has, on the same sockets and framing, with nothing behind them: any message gets the one answer. */
export class BareFleet {
  readonly #options: BareFleetOptions;
  readonly #pacer: Pacer;
  readonly #sockets: RawWebSocket[] = [];
  #open = 0;
  #done: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  constructor(options: BareFleetOptions) {
    this.#options = options;
    this.#pacer = new Pacer(options.connectsPerSecond, 256);
  }

  start(): Promise<void> {
    const { gateway, ca, agents } = this.#options;
    const target: Target = { ...targetsOf([gateway], ca)[0], subprotocol: FLOOR_SUBPROTOCOL };
    for (let i = 0; i < agents; i += 1) this.#pacer.enter(() => this.#connect(target, i));
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
    });
  }

  stop(): void {
    this.#failed = undefined;
    this.#pacer.stop();
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(target: Target, index: number): void {
    const localAddress = sourceAddress(target.host, index);
    const { answer, agents } = this.#options;
    const owner: WireOwner = {
      opened: () => {
        this.#pacer.done();
        this.#open += 1;
        if (this.#open === agents) this.#done?.();
      },
      message: () => socket.send(answer),
      heard: () => undefined,
      ended: (end: WireEnd) => this.#failed?.(new Error(`a socket of the floor ended: ${JSON.stringify(end)}`)),
    };
    const socket = new RawWebSocket(target, owner, localAddress === undefined ? {} : { localAddress });
    this.#sockets.push(socket);
  }
}
