/** Steps of a script that proves something, one after the other, each told with its time. */
export class Steps {
  readonly #print: (text: string) => void;
  passed = 0;

  constructor(print: (text: string) => void) {
    this.#print = print;
  }

  /** @throws what `run` throws. A text that it resolves with is told too. */
  async step(name: string, run: () => Promise<unknown>): Promise<void> {
    const from = performance.now();
    const detail = await run();
    this.passed += 1;
    const seconds = ((performance.now() - from) / 1_000).toFixed(1);
    this.#print(
      `ok ${this.passed} ${name} (${seconds} s)${typeof detail === 'string' && detail !== '' ? `: ${detail}` : ''}`,
    );
  }
}
