import { randomBytes } from 'node:crypto';
import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type CallStatus,
  type CallStatusRequest,
} from '@muster/messages';

/** A call under an idempotency key, and the process in which it runs. */
export interface CallRef {
  readonly process: string;
  readonly call: string;
}

const ASK_MS = 1_000;

/** The calls under idempotency keys that run in this process, and what other processes say of theirs. */
export class RunningCalls {
  readonly #bus: Pick<Bus, 'subscribe' | 'request'>;
  readonly #process = randomBytes(8).toString('hex');
  readonly #running = new Set<string>();
  #subscription: BusSubscription | undefined;

  constructor(bus: Pick<Bus, 'subscribe' | 'request'>) {
    this.#bus = bus;
  }

  start(): void {
    this.#subscription = this.#bus.subscribe(SUBJECTS.apiCalls(this.#process), ({ data, reply }) => {
      const asked = decodeBusMessage<CallStatusRequest>(data, 'call_status');
      if (asked === undefined) return;
      reply?.(encodeBusMessage({ t: 'call_status_is', isRunning: this.#running.has(asked.call) }));
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }

  begin(): CallRef {
    const call = randomBytes(8).toString('hex');
    this.#running.add(call);
    return { process: this.#process, call };
  }

  end({ call }: CallRef): void {
    this.#running.delete(call);
  }

  /** `unknown`: its process does not answer. It is dead, stands still, or has lost the broker. */
  async stateOf({ process, call }: CallRef): Promise<'running' | 'ended' | 'unknown'> {
    if (process === this.#process) return this.#running.has(call) ? 'running' : 'ended';
    const request = encodeBusMessage({ t: 'call_status', call });
    const result = await this.#bus.request(SUBJECTS.apiCalls(process), request, { timeoutMs: ASK_MS });
    const status = result.kind === 'reply' ? decodeBusMessage<CallStatus>(result.data, 'call_status_is') : undefined;
    if (status === undefined) return 'unknown';
    return status.isRunning ? 'running' : 'ended';
  }
}
