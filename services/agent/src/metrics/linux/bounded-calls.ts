import type { Clock, Timer } from '@muster/runtime/program';

const PATIENCE_MS = 1_000;
/** Each occupies one of the four threads of Node's pool, which name resolution needs as well. */
const MAX_HANGING = 2;

/** Calls into the kernel that may never return: those to a disk that is dead, or to a sensor that does not answer. */
export class BoundedCalls {
  readonly #clock: Pick<Clock, 'setTimeout' | 'clear'>;
  readonly #maxHanging: number;
  /** What has not returned, by its path. It is not called again until it does. */
  readonly #hanging = new Set<string>();

  constructor(clock: Pick<Clock, 'setTimeout' | 'clear'>, maxHanging = MAX_HANGING) {
    this.#clock = clock;
    this.#maxHanging = maxHanging;
  }

  get hanging(): number {
    return this.#hanging.size;
  }

  /** `undefined` when it fails, takes more than a second, has not returned since an earlier call, or too many others have not. */
  async call<T>(path: string, run: () => Promise<T>): Promise<T | undefined> {
    if (this.#hanging.has(path) || this.#hanging.size >= this.#maxHanging) return undefined;
    this.#hanging.add(path);
    let timer: Timer | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = this.#clock.setTimeout(() => resolve(undefined), PATIENCE_MS);
    });
    const returned = run()
      .catch(() => undefined)
      .finally(() => this.#hanging.delete(path));
    const result = await Promise.race([returned, late]);
    this.#clock.clear(timer);
    return result;
  }
}
