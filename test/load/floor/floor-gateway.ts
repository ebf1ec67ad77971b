import { createRequire } from 'node:module';
import type { Broker } from '@muster/bus';
import type * as Uws from 'uWebSockets.js';

// A CommonJS module whose exports Node cannot see from outside.
const uws = createRequire(import.meta.url)('uWebSockets.js') as typeof Uws;

/** Subjects of the floor. The product does not use them. */
export const FLOOR = { ask: 'floor.ask', answers: 'floor.answers' } as const;

const TOPIC = 'all';
const FLUSH_BYTES = 32 * 1024;
const FLUSH_MS = 3;
const LENGTH_BYTES = 4;

export interface FloorGatewayOptions {
  readonly broker: Broker;
  /** PEM files; plain without. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/**
 * The least that a gateway can do: a query from the broker goes to all sockets, and their answers go back in batches. No identity, no
 * ledger, no credit, no merging. The time that the product needs beyond this is the price of its features.
 */
export class FloorGateway {
  readonly #broker: Broker;
  readonly #app: Uws.TemplatedApp;
  #batch = Buffer.allocUnsafe(FLUSH_BYTES * 2);
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor({ broker, tls }: FloorGatewayOptions) {
    this.#broker = broker;
    this.#app =
      tls === undefined
        ? uws.App()
        : uws.SSLApp({ cert_file_name: tls.cert, key_file_name: tls.key, ssl_prefer_low_memory_usage: true });
    this.#app.ws('/*', {
      compression: uws.DISABLED,
      maxPayloadLength: 1024 * 1024,
      maxBackpressure: 4 * 1024 * 1024,
      idleTimeout: 0,
      sendPingsAutomatically: false,
      open: (socket) => {
        socket.subscribe(TOPIC);
      },
      message: (_socket, data) => this.#collect(new Uint8Array(data)),
    });
    broker.bus.subscribe(FLOOR.ask, (message) => this.#app.publish(TOPIC, message.data, true, false));
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#app.listen('127.0.0.1', 0, (socket) => {
        if (socket === false) reject(new Error('the floor cannot listen'));
        else resolve(uws.us_socket_local_port(socket as unknown as Uws.us_socket));
      });
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#app.close();
  }

  #collect(answer: Uint8Array): void {
    if (this.#length + LENGTH_BYTES + answer.length > this.#batch.length) this.#flush();
    this.#batch.writeUInt32BE(answer.length, this.#length);
    this.#batch.set(answer, this.#length + LENGTH_BYTES);
    this.#length += LENGTH_BYTES + answer.length;
    if (this.#length >= FLUSH_BYTES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#length === 0) return;
    this.#broker.bus.publish(FLOOR.answers, this.#batch.subarray(0, this.#length));
    this.#batch = Buffer.allocUnsafe(FLUSH_BYTES * 2);
    this.#length = 0;
  }
}

/** How many answers a batch holds. */
export function countAnswers(batch: Uint8Array): number {
  const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.length);
  let answers = 0;
  for (let at = 0; at < bytes.length; answers += 1) at += LENGTH_BYTES + bytes.readUInt32BE(at);
  return answers;
}
