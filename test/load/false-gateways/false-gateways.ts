import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type FalseGatewayRequest =
  | {
      readonly t: 'start';
      readonly natsUrl: string;
      readonly redisUrl: string;
      readonly count: number;
      /** Of each. */
      readonly endpoints: number;
    }
  /** Over how long the endpoints answer from now on. */
  | { readonly t: 'spread'; readonly ms: number };
type Reply = { readonly t: 'done' } | { readonly t: 'failed'; readonly message: string };

const MAIN = fileURLToPath(new URL('main.js', import.meta.url));

/** Gateways without endpoints, in a process of their own. */
export class FalseGateways {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(request: Omit<Extract<FalseGatewayRequest, { t: 'start' }>, 't'>): Promise<FalseGateways> {
    const gateways = new FalseGateways(fork(MAIN, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
    await gateways.#ask({ t: 'start', ...request });
    return gateways;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  answerWithin(ms: number): Promise<void> {
    return this.#ask({ t: 'spread', ms });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  async #ask(request: FalseGatewayRequest): Promise<void> {
    const answered = once(this.#child, 'message') as Promise<[Reply]>;
    const gone = once(this.#child, 'exit').then(() => {
      throw new Error('the false gateways ended');
    });
    gone.catch(() => undefined);
    this.#child.send(request);
    const [reply] = await Promise.race([answered, gone]);
    if (reply.t === 'failed') throw new Error(reply.message);
  }
}
