import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stack } from '@muster/local';
import type { FleetOptions, PresenceInterval, Run, SessionCut } from '../../simulator/index.js';
import { once } from 'node:events';
import { fleetOptions } from '../../kit/harness.js';

export type FleetRequest =
  /** With `firstIndex` its identities are in a part of the file of their own. */
  | { readonly t: 'fleet'; readonly options: FleetOptions; readonly keysFile: string }
  /** Gets identities and connects nobody. */
  | { readonly t: 'enrol'; readonly options: FleetOptions; readonly keysFile: string }
  | {
      readonly t: 'bare';
      readonly gateway: string;
      readonly ca?: string;
      readonly agents: number;
      readonly connectsPerSecond: number;
      readonly answerHex: string;
    }
  /** Asks for the runs on its agents so far. */
  | { readonly t: 'oracle' }
  /** Asks when its agents had sessions. */
  | { readonly t: 'presence' }
  /** Asks which sessions its agents lost. */
  | { readonly t: 'cuts' }
  /** Asks how many of its agents have one now. */
  | { readonly t: 'connected' }
  /** A share of its agents leaves, and comes again after the fleet's `disappearMs`. Asks how many they are. */
  | { readonly t: 'leave'; readonly share: number };

export type FleetReply =
  | { readonly t: 'ready'; readonly ready: number }
  | { readonly t: 'failed'; readonly message: string }
  | { readonly t: 'oracle'; readonly runs: readonly Run[] }
  | { readonly t: 'presence'; readonly intervals: readonly PresenceInterval[] }
  | { readonly t: 'cuts'; readonly cuts: readonly SessionCut[] }
  | { readonly t: 'connected'; readonly count: number }
  | { readonly t: 'leave'; readonly count: number };

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));

/** A fleet in a process of its own. */
export class FleetProcess {
  readonly #child: ChildProcess;
  /** One request at a time: replies name none. */
  #asked: Promise<unknown> = Promise.resolve();
  #isStopping = false;
  /** Rejects when the process ends before it is stopped. */
  readonly lost: Promise<never>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.lost = new Promise((_, reject) => {
      child.once('exit', (code, signal) => {
        if (!this.#isStopping) reject(new Error(`a process of the fleet ended with ${signal ?? code}`));
      });
    });
    // Not everybody waits for it.
    this.lost.catch(() => undefined);
  }

  /** Starts a uniform fleet on a local stack. Identities are kept in the stack's folder, by seed. */
  static startOn(
    stack: Stack,
    { seed = 1, ...options }: Pick<FleetOptions, 'agents' | 'seed' | 'connectsPerSecond' | 'metrics' | 'packs'>,
    nodeArgs: readonly string[] = [],
  ): Promise<FleetProcess> {
    const ca = stack.caPath === undefined ? {} : { ca: readFileSync(stack.caPath, 'utf8') };
    const request: FleetRequest = {
      t: 'fleet',
      keysFile: join(stack.folder, `fleet-${seed}.json`),
      options: { ...options, ...fleetOptions({ stack }), seed, uniform: true, ...ca },
    };
    return FleetProcess.start(request, nodeArgs);
  }

  /** Resolves when all its agents are ready; rejects with the reason when that fails. */
  static async start(
    request: FleetRequest,
    nodeArgs: readonly string[] = [],
    /** The folder of another version whose endpoints these are. */
    root?: string,
  ): Promise<FleetProcess> {
    const main = root === undefined ? MAIN : join(root, 'test/dist/load/fleet/main.js');
    const child = fork(main, { execArgv: [...nodeArgs], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.send(request);
    const reply = await new Promise<FleetReply>((resolve, reject) => {
      child.once('message', (message) => resolve(message as FleetReply));
      child.once('exit', (code) => reject(new Error(`the fleet ended with ${code}`)));
    });
    if (reply.t === 'failed') {
      child.disconnect();
      throw new Error(reply.message);
    }
    return new FleetProcess(child);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** The runs on its agents so far, as the agents recorded them. */
  async runs(): Promise<readonly Run[]> {
    return (await this.#ask({ t: 'oracle' })).runs;
  }

  /** When its agents had sessions, as they recorded it. */
  async presence(): Promise<readonly PresenceInterval[]> {
    return (await this.#ask({ t: 'presence' })).intervals;
  }

  /** Which sessions its agents lost, without having another one. */
  async cuts(): Promise<readonly SessionCut[]> {
    return (await this.#ask({ t: 'cuts' })).cuts;
  }

  /** How many of its agents have a session now. */
  async connected(): Promise<number> {
    return (await this.#ask({ t: 'connected' })).count;
  }

  /** A share of its agents, taken at random, leaves without a word and comes again later. Resolves with how many left. */
  async leave(share: number): Promise<number> {
    return (await this.#ask({ t: 'leave', share })).count;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  #ask<T extends 'oracle' | 'presence' | 'cuts' | 'connected' | 'leave'>(
    request: Extract<FleetRequest, { t: T }>,
  ): Promise<Extract<FleetReply, { t: T }>> {
    const ask = async (): Promise<Extract<FleetReply, { t: T }>> => {
      const received = once(this.#child, 'message');
      this.#child.send(request);
      const [reply] = (await received) as [FleetReply];
      if (reply.t !== (request as FleetRequest).t) throw new Error(`the fleet answered with ${reply.t}`);
      return reply as Extract<FleetReply, { t: T }>;
    };
    const answer = this.#asked.then(ask, ask);
    this.#asked = answer;
    return answer;
  }
}
