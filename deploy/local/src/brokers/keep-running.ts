import { setTimeout as delay } from 'node:timers/promises';
import type { BrokerProcess } from './broker-process.js';

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;

export interface KeepRunningOptions {
  /** In messages: `redis`. */
  readonly name: string;
  /** Called with a message at every unexpected end and every restart. */
  readonly onEvent: (text: string) => void;
  /** When it is aborted the broker may end. */
  readonly signal: AbortSignal;
}

/** Starts a broker again, on its port and data, whenever it ends by itself. Resolves when the signal is aborted; does not throw. */
export async function keepRunning(
  broker: Pick<BrokerProcess, 'exited' | 'start'>,
  { name, onEvent, signal }: KeepRunningOptions,
): Promise<void> {
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    await Promise.race([broker.exited, stopped]);
    if (signal.aborted) return;
    onEvent(`${name} has ended; starting it again in ${pauseMs / 1000} s`);
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      await broker.start();
      pauseMs = FIRST_PAUSE_MS;
      onEvent(`${name} is back`);
    } catch (error) {
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
      onEvent((error as Error).message);
    }
  }
}
