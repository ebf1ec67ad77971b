import type { Clock, Timer } from '@muster/runtime';

export interface CircuitBreakerOptions {
  readonly clock: Clock;
  /** A circuit on which something was asked and nothing at all was heard for this long opens. */
  readonly silenceMs: number;
  /** How often an open circuit is tried. */
  readonly probeEveryMs: number;
  /** Asks something of the circuit that changes nothing. */
  readonly probe: (circuit: string) => Promise<unknown>;
}

/** A server of which nothing at all is heard for so long, although it was asked, is spared until a probe is answered. */
export const SILENCE = { silenceMs: 2_000, probeEveryMs: 500 };

interface Circuit {
  readonly name: string;
  /** Ends the calls that wait for an answer. */
  readonly waiting: Set<(error: Error) => void>;
  heardMs: number;
  isOpen: boolean;
  watch: Timer | undefined;
  probe: Timer | undefined;
}

/**
 * Spares callers the wait for a server that does not answer, circuit by circuit:
 *
 *     closed ──nothing heard for `silenceMs`: all calls fail──▶ open, every call fails at once ──a probe is answered──▶ closed
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #circuits = new Map<string, Circuit>();
  #stopped = false;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
  }

  /** Whether any circuit is open. */
  get isOpen(): boolean {
    for (const { isOpen } of this.#circuits.values()) if (isOpen) return true;
    return false;
  }

  run<T>(name: string, send: () => Promise<T>): Promise<T> {
    const circuit = this.#circuit(name);
    if (circuit.isOpen) return Promise.reject(silent(name));
    return new Promise((resolve, reject) => {
      if (circuit.waiting.size === 0) this.#begin(circuit);
      circuit.waiting.add(reject);
      this.#watch(circuit);
      answerOf(send)
        .then(resolve, (error: Error) => {
          if (!isReply(error)) circuit.waiting.delete(reject);
          reject(error);
        })
        .finally(() => {
          // An error of the client says nothing of the server.
          if (circuit.waiting.delete(reject)) circuit.heardMs = this.#options.clock.monotonic();
        });
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const { watch, probe } of this.#circuits.values()) {
      this.#options.clock.clear(watch);
      this.#options.clock.clear(probe);
    }
  }

  #circuit(name: string): Circuit {
    const known = this.#circuits.get(name);
    if (known !== undefined) return known;
    const circuit: Circuit = {
      name,
      waiting: new Set(),
      heardMs: 0,
      isOpen: false,
      watch: undefined,
      probe: undefined,
    };
    this.#circuits.set(name, circuit);
    return circuit;
  }

  /** The silence counts from the end of this turn of the event loop, in which thousands of calls may be encoded. */
  #begin(circuit: Circuit): void {
    circuit.heardMs = this.#options.clock.monotonic();
    setImmediate(() => {
      if (circuit.waiting.size > 0) circuit.heardMs = this.#options.clock.monotonic();
    });
  }

  #watch(circuit: Circuit): void {
    if (circuit.watch !== undefined || this.#stopped) return;
    const { clock, silenceMs } = this.#options;
    const dueMs = Math.max(circuit.heardMs + silenceMs, clock.monotonic() + 1);
    circuit.watch = clock.setTimeout(() => {
      circuit.watch = undefined;
      // Where this process itself stood still, the answers wait in its sockets.
      if (clock.monotonic() - dueMs > silenceMs / 4) circuit.heardMs = clock.monotonic();
      setImmediate(() => this.#judge(circuit));
    }, dueMs - clock.monotonic());
  }

  #judge(circuit: Circuit): void {
    const { clock, silenceMs } = this.#options;
    if (circuit.waiting.size === 0 || circuit.isOpen) return;
    if (clock.monotonic() - circuit.heardMs < silenceMs) return this.#watch(circuit);
    circuit.isOpen = true;
    for (const fail of circuit.waiting) fail(silent(circuit.name));
    circuit.waiting.clear();
    this.#probe(circuit);
  }

  #probe(circuit: Circuit): void {
    const { clock, probe, probeEveryMs } = this.#options;
    if (this.#stopped) return;
    const close = (): void => void (circuit.isOpen = false);
    void answerOf(() => probe(circuit.name)).then(close, (error: Error) => isReply(error) && close());
    circuit.probe = clock.setTimeout(() => {
      if (circuit.isOpen) this.#probe(circuit);
    }, probeEveryMs);
  }
}

async function answerOf<T>(send: () => Promise<T>): Promise<T> {
  return send();
}

/** An error that Redis itself has answered. */
function isReply(error: Error): boolean {
  return error.name === 'ReplyError';
}

function silent(name: string): Error {
  return new Error(`redis does not answer (${name})`);
}
