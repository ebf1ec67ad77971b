import { ConnectPacer } from '../../simulator/channels/connect-pacer.js';
import { sourceAddress } from '../../simulator/channels/wires.js';
import { targetsOf } from '../../simulator/channels/target.js';
import { RawWebSocket } from '../../simulator/channels/raw-web-socket.js';
import type { Target } from '../../simulator/channels/target.js';
import type { WireEnd, WireOwner } from '../../simulator/channels/wire.js';

/** The floor's gateway takes any; the handshake needs one. */
const SUBPROTOCOL = 'floor.v1';

export interface BareFleetOptions {
  readonly gateway: string;
  readonly ca?: string;
  readonly agents: number;
  readonly connectsPerSecond: number;
  /** The answer of every agent to every query. */
  readonly answer: Uint8Array;
}

/** As many connections as a fleet has, over the simulator's WebSocket client, without agents: any message gets the same answer. */
export class BareFleet {
  readonly #options: BareFleetOptions;
  readonly #pacer: ConnectPacer;
  readonly #sockets: RawWebSocket[] = [];
  #open = 0;
  #done: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  constructor(options: BareFleetOptions) {
    this.#options = options;
    this.#pacer = new ConnectPacer(options.connectsPerSecond, 256);
  }

  start(): Promise<void> {
    const { gateway, ca, agents } = this.#options;
    const target: Target = { ...targetsOf([gateway], ca)[0], subprotocol: SUBPROTOCOL };
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
      active: () => undefined,
      ended: (end: WireEnd) => this.#failed?.(new Error(`a socket of the floor ended: ${JSON.stringify(end)}`)),
    };
    const socket = new RawWebSocket(target, owner, localAddress === undefined ? {} : { localAddress });
    this.#sockets.push(socket);
  }
}
