import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Harness } from '../../kit/harness.js';
import { post } from '../load/post.js';
import type { Endpoint } from './endpoint.js';
import type { Witnesses } from './witnesses.js';

/** A command to one endpoint to kill one witness. */
export interface SentCommand {
  /** The name of the witness. */
  readonly witness: string;
  readonly endpoint: string;
  /** Of the fault under which it was given. */
  readonly fault: string;
  readonly id: string;
  /** A cancel was asked for. */
  isCancelled: boolean;
}

const REPEAT_MS = 250;
const EXPIRES_IN = '30s';
const TIMEOUT = '5s';

/** Gives commands, and keeps what was ordered. */
export class Commands {
  readonly given: SentCommand[] = [];
  readonly #harness: Harness;
  readonly #witnesses: Witnesses;
  #count = 0;

  constructor(harness: Harness, witnesses: Witnesses) {
    this.#harness = harness;
    this.#witnesses = witnesses;
  }

  /** Resolves when the command was accepted; it is repeated until then. */
  async give({ name, agentId }: Endpoint, fault: string, expiresIn = EXPIRES_IN): Promise<SentCommand> {
    const witness = `mw-${process.pid % 100_000}-${this.#count++}`;
    await this.#witnesses.start(witness);
    const body = {
      ...{ action: 'process.kill', params: { name: witness }, target: { agentIds: [agentId] } },
      ...{ expiresIn, timeout: TIMEOUT },
    };
    const key = randomUUID();
    for (;;) {
      const { attempt } = await post(this.#harness, { path: '/v1/commands', body, key });
      if (attempt.id !== undefined) {
        const command = { witness, endpoint: name, fault, id: attempt.id, isCancelled: false };
        this.given.push(command);
        return command;
      }
      if (attempt.status === 422 || attempt.status === 400) throw new Error(JSON.stringify(attempt));
      await delay(REPEAT_MS);
    }
  }

  /** Resolves when the command took effect, or did not in time: then `false`. */
  async ran({ witness }: SentCommand, withinMs: number): Promise<boolean> {
    const giveUpAtMs = Date.now() + withinMs;
    while (this.#witnesses.deaths(witness) === 0) {
      if (Date.now() > giveUpAtMs) return false;
      await delay(50);
    }
    return true;
  }

  /** Asks for a cancel; whether it comes in time is not known. */
  async cancel(command: SentCommand): Promise<void> {
    command.isCancelled = true;
    await this.#harness.api.fetch(`/v1/commands/${command.id}`, { method: 'DELETE' }).catch(() => {});
  }
}
