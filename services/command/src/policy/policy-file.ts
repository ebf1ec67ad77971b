import { readFile, stat } from 'node:fs/promises';
import type { Clock, Logger, Timer } from '@muster/runtime';
import { OPEN_POLICY, parsePolicy, type Policy } from './policy.js';

export interface PolicyFileOptions {
  /** Without it the policy is open. */
  readonly path: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 5_000;

/**
 * The policy as its file has it now: looked at every few seconds, so that it can be changed without a restart. A file that became unreadable
 * or wrong changes nothing: what was in force stays in force, loudly.
 */
export class PolicyFile {
  readonly #options: PolicyFileOptions;
  #policy = OPEN_POLICY;
  #version = '';
  #timer: Timer | undefined;

  constructor(options: PolicyFileOptions) {
    this.#options = options;
  }

  get policy(): Policy {
    return this.#policy;
  }

  /** Rejects when the file cannot be read, or with everything that is wrong with it. */
  async start(): Promise<void> {
    const { path, clock } = this.#options;
    if (path === undefined) return;
    await this.#read(path);
    this.#timer = clock.setInterval(() => void this.#look(path), LOOK_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  async #look(path: string): Promise<void> {
    const { logger } = this.#options;
    try {
      if (await this.#read(path)) logger.info('command policy reread', { path });
    } catch (error) {
      logger.error('command policy cannot be reread; the old one stays in force', { path, err: error });
    }
  }

  async #read(path: string): Promise<boolean> {
    const { mtimeMs, size, ino } = await stat(path);
    const version = `${mtimeMs} ${size} ${ino}`;
    if (version === this.#version) return false;
    this.#version = version;
    const parsed = parsePolicy(await readFile(path, 'utf8'));
    if (!parsed.ok) throw new Error(`the command policy ${path} is wrong:\n  ${parsed.faults.join('\n  ')}`);
    this.#policy = parsed.policy;
    return true;
  }
}
