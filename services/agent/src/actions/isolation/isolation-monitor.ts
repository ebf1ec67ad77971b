import type { Timer } from '@muster/runtime/program';
import type { ActionHost } from '../contract/action.js';
import { withIsolation, type Isolation } from './isolation.js';

/** The firewall opens by itself in time. The monitor only removes what is left, so it may be slow. */
const CHECK_INTERVAL_MS = 15_000;

/**
 * Keeps an isolation in force without a command. At the agent's start it applies the rules for the time that is left,
 * because they do not survive a reboot. Then it checks at an interval whether the isolation has expired and whether
 * gateways have new addresses.
 */
export class IsolationMonitor {
  readonly #host: ActionHost;
  #timer: Timer | undefined;
  /** False until the rules could be applied. Name lookups may fail early after a boot. */
  #isEnforced = false;

  constructor(host: ActionHost) {
    this.#host = host;
  }

  async start(): Promise<void> {
    await this.#check();
    this.#timer = this.#host.clock.setInterval(() => void this.#check(), CHECK_INTERVAL_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#host.clock.clear(this.#timer);
  }

  /** Never throws: an agent that cannot change the firewall must still start, because nothing else can reach the machine. */
  async #check(): Promise<void> {
    try {
      await withIsolation(this.#host, async (isolation) => {
        await this.#endIfExpired(isolation);
        if (this.#isEnforced) await isolation.refreshGateways();
        else await this.#resume(isolation);
      });
    } catch (error) {
      this.#host.logger.error('cannot maintain or end the isolation of the host', { error });
    }
  }

  async #resume(isolation: Isolation): Promise<void> {
    const state = isolation.current();
    if (state !== undefined) await isolation.enforce(state, await isolation.allowList(state.allow));
    this.#isEnforced = true;
    if (state === undefined) return;
    const until = new Date(state.releaseAtMs).toISOString();
    this.#host.logger.info('host is isolated', { command: state.command, until });
  }

  async #endIfExpired(isolation: Isolation): Promise<void> {
    const state = isolation.current();
    if (state === undefined || state.releaseAtMs > this.#host.clock.now()) return;
    await isolation.end();
    this.#host.logger.info('isolation of the host has expired', { command: state.command });
  }
}
