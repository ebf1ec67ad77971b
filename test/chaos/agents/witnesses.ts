import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';

/** Longer than an action looks whether something restarts what it ended, shorter than an agent needs to start. */
const RESTART_AFTER_MS = 300;

/**
 * The effects of commands, seen from outside: processes with a name of their own each, which are started again when they
 * were killed. A command kills one by its name, so the deaths of a witness are the runs of its command.
 */
export class Witnesses {
  readonly #folder: string;
  readonly #running = new Set<ChildProcess>();
  readonly #deaths = new Map<string, number>();
  #isStopping = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Starts one. A process name has 15 bytes at most. */
  async start(name: string): Promise<void> {
    copyFileSync('/bin/sleep', join(this.#folder, name));
    this.#deaths.set(name, 0);
    await this.#run(name);
  }

  deaths(name: string): number {
    return this.#deaths.get(name) ?? 0;
  }

  stop(): void {
    this.#isStopping = true;
    for (const child of this.#running) child.kill('SIGKILL');
  }

  async #run(name: string): Promise<void> {
    const child = spawn(join(this.#folder, name), ['3600'], { stdio: 'ignore' });
    this.#running.add(child);
    child.once('exit', () => {
      this.#running.delete(child);
      if (this.#isStopping) return;
      this.#deaths.set(name, this.deaths(name) + 1);
      setTimeout(() => void (this.#isStopping || this.#run(name)), RESTART_AFTER_MS);
    });
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  }
}
