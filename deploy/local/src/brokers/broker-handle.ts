import { BrokerProcess, BrokerStartError, type ProcessOptions } from './broker-process.js';
import { freePort } from './free-port.js';

/** A broker that we started on this machine. */
export interface BrokerHandle {
  /** The URL for clients. */
  readonly url: string;
  readonly port: number;
  /** Undefined while it does not run. For a container: the pid of the docker client. */
  readonly pid: number | undefined;
  /** SIGTERM, then SIGKILL after 5 s. Data stays. Idempotent. */
  stop(): Promise<void>;
  /** Ends it as a power cut would. */
  kill9(): Promise<void>;
  /** Starts it again, on the same port and data, stopping it first if it runs. */
  restart(): Promise<void>;
}

/**
 * Starts a broker on the given port, or on a free one. Another program may take a free port before the broker does; then another port is
 * tried.
 * @throws BrokerStartError when it does not start.
 */
export async function startOnPort(
  port: number | undefined,
  scheme: 'nats' | 'redis',
  optionsFor: (port: number) => ProcessOptions | Promise<ProcessOptions>,
  pickPort: () => Promise<number> = freePort,
): Promise<BrokerHandle> {
  for (let attempt = 1; ; attempt++) {
    const chosen = port ?? (await pickPort());
    const broker = new BrokerProcess(await optionsFor(chosen));
    try {
      await broker.start();
      return Object.assign(broker, { url: `${scheme}://127.0.0.1:${chosen}`, port: chosen });
    } catch (error) {
      const isWorthAnother =
        error instanceof BrokerStartError && error.isPortTaken && port === undefined && attempt < 5;
      if (!isWorthAnother) throw error;
    }
  }
}
