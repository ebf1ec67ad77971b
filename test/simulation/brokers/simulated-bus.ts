import type { Bus, BusMessage, BusStats, BusSubscription, PublishResult, RequestResult } from '@muster/bus';
import type { RoutedMessage } from './nats-server.js';
import type { NatsConnection } from './nats-connection.js';

const MAX_PAYLOAD_BYTES = 1024 * 1024;

/** {@link Bus} over a simulated connection. */
export class SimulatedBus implements Bus {
  readonly maxPayloadBytes = MAX_PAYLOAD_BYTES;
  readonly #connection: NatsConnection;
  #dropped = 0;
  #handlerErrors = 0;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  get connected(): boolean {
    return this.#connection.connected;
  }

  publish(subject: string, data: Uint8Array): PublishResult {
    if (data.length > MAX_PAYLOAD_BYTES) throw new RangeError(`message of ${data.length} bytes on ${subject}`);
    return this.#counted(this.#connection.send(subject, data));
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    { queue }: { readonly queue?: string } = {},
  ): BusSubscription {
    const unsubscribe = this.#connection.add({ subject, queue, receive: (message) => this.#receive(message, handler) });
    return { unsubscribe };
  }

  request(subject: string, data: Uint8Array, { timeoutMs }: { readonly timeoutMs: number }): Promise<RequestResult> {
    const connection = this.#connection;
    if (!connection.connected) {
      this.#dropped += 1;
      return Promise.resolve({ kind: 'disconnected' });
    }
    const { promise: lost, done } = connection.lost();
    return new Promise<RequestResult>((resolve) => {
      const { inbox, forget } = connection.expect((answer) =>
        settle(answer === undefined ? { kind: 'no_responders' } : { kind: 'reply', data: answer }),
      );
      const timer = connection.clock.setTimeout(() => settle({ kind: 'timeout' }), timeoutMs);
      const settle = (result: RequestResult): void => {
        connection.clock.clear(timer);
        forget();
        resolve(result);
      };
      void lost.then(() => settle({ kind: 'disconnected', mayHaveArrived: true }));
      connection.send(subject, data, inbox);
    }).finally(done);
  }

  async flush(timeoutMs = 5_000): Promise<boolean> {
    const { clock } = this.#connection;
    const answered = this.#connection.atServer<true>((answer) => answer(true));
    if (answered === undefined) return false;
    let timer: ReturnType<typeof clock.setTimeout> | undefined;
    const late = new Promise<false>((resolve) => {
      timer = clock.setTimeout(() => resolve(false), timeoutMs);
    });
    const result = await Promise.race([answered, late]);
    clock.clear(timer);
    return result === true;
  }

  onConnectionChange(listener: (connected: boolean) => void): () => void {
    return this.#connection.onChange(listener);
  }

  stats(): BusStats {
    const none = { messagesOut: 0, bytesOut: 0, messagesIn: 0, bytesIn: 0, refused: 0 };
    const reconnects = Math.max(0, this.#connection.connects - 1);
    return { ...none, reconnects, dropped: this.#dropped, handlerErrors: this.#handlerErrors };
  }

  #counted(result: PublishResult): PublishResult {
    if (result === 'dropped') this.#dropped += 1;
    return result;
  }

  #receive({ subject, data, replyTo }: RoutedMessage, handler: (message: BusMessage) => void): void {
    const reply =
      replyTo === undefined
        ? {}
        : { reply: (answer: Uint8Array) => this.#counted(this.#connection.reply(replyTo, answer)) };
    try {
      handler({ subject, data, ...reply });
    } catch (error) {
      this.#handlerErrors += 1;
      this.#connection.handlerThrew(error, subject);
    }
  }
}
