import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Run } from '../../simulator/index.js';
import type { FleetRequest, FleetReply } from './fleet-messages.js';

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));

/** A fleet that runs elsewhere. */
export class FleetProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when all its agents are live; rejects with the reason when that fails. */
  static async start(order: FleetRequest, nodeArgs: readonly string[] = []): Promise<FleetProcess> {
    const child = fork(MAIN, { execArgv: [...nodeArgs], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.send(order);
    const report = await new Promise<FleetReply>((resolve, reject) => {
      child.once('message', (message) => resolve(message as FleetReply));
      child.once('exit', (code) => reject(new Error(`the fleet ended with ${code}`)));
    });
    if (report.t === 'failed') {
      child.disconnect();
      throw new Error(report.message);
    }
    return new FleetProcess(child);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** What ran so far on its agents, as they wrote it down themselves. */
  async runs(): Promise<readonly Run[]> {
    const report = new Promise<FleetReply>((resolve) =>
      this.#child.once('message', (said) => resolve(said as FleetReply)),
    );
    this.#child.send({ t: 'oracle' } satisfies FleetRequest);
    const said = await report;
    if (said.t !== 'oracle') throw new Error(`the fleet answered with ${said.t}`);
    return said.runs;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
  }
}
