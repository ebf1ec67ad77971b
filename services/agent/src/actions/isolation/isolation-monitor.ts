import type { Timer } from '@muster/runtime/program';
import type { ActionHost } from '../contract/action.js';
import { inTurn } from './in-turn.js';
import { Isolation } from './isolation.js';

/** The barrier falls at its time by itself; this only clears away what is left of it, so it need not be prompt. */
const LOOK_EVERY_MS = 15_000;

/**
 * What the agent does about an isolation without being asked. At its start: one whose time is not over is raised again for what is left of it, since
 * the rules do not outlive a reboot; one whose time is over is ended. Then it looks now and again whether the time is over, and whether gateways
 * have moved.
 */
export class IsolationWatch {
  readonly #host: ActionHost;
  readonly #isolation: Isolation;
  #timer: Timer | undefined;
  /** False while one that should be up could not be raised, as when names cannot be looked up so early after a boot. */
  #isSettled = false;

  constructor(host: ActionHost) {
    this.#host = host;
    this.#isolation = new Isolation(host);
  }

  async start(): Promise<void> {
    await this.#guarded(() => this.#resume());
    const look = (): Promise<unknown> => (this.#isSettled ? this.#keepUp() : this.#resume());
    this.#timer = this.#host.clock.setInterval(() => void this.#guarded(look), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    this.#host.clock.clear(this.#timer);
  }

  async #resume(): Promise<void> {
    await this.#endIfOver();
    const state = this.#isolation.current();
    if (state !== undefined) await this.#isolation.enforce(state, await this.#isolation.reachable(state.allow));
    this.#isSettled = true;
    if (state === undefined) return;
    this.#host.logger.info('host is isolated', {
      command: state.command,
      until: new Date(state.releaseAtMs).toISOString(),
    });
  }

  async #keepUp(): Promise<void> {
    await this.#endIfOver();
    await this.#isolation.follow();
  }

  async #endIfOver(): Promise<void> {
    const state = this.#isolation.current();
    if (state === undefined || state.releaseAtMs > this.#host.clock.now()) return;
    await this.#isolation.end();
    this.#host.logger.info('the isolation of the host is over', { command: state.command });
  }

  /** An agent that cannot raise or lower a barrier must still start: it is the only way to reach the machine. */
  async #guarded(work: () => Promise<unknown>): Promise<void> {
    try {
      await inTurn(this.#host.dataDir, work);
    } catch (error) {
      this.#host.logger.error('isolation of the host cannot be kept up or ended', { error });
    }
  }
}
