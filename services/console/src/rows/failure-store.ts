import type { EndpointNameJson, FailureJson, WarningJson } from '@muster/api-contract';

/** Failures with the same outcome and the same words. */
export interface FailureGroup {
  readonly outcome: FailureJson['outcome'];
  readonly code: string;
  readonly message: string;
  readonly endpoints: number;
  /** Some of them. */
  readonly sample: readonly string[];
}

const SAMPLE = 3;

/** Who did not answer, and why: by endpoint, so that one that answers after all is taken out again. */
export class FailureStore {
  readonly #failures = new Map<number, FailureJson>();
  readonly #warnings = new Map<string, WarningJson>();

  get size(): number {
    return this.#failures.size;
  }

  add(failures: readonly FailureJson[]): void {
    for (const failure of failures) this.#failures.set(failure.num, failure);
  }
  recover(endpoints: readonly EndpointNameJson[]): void {
    for (const { num } of endpoints) this.#failures.delete(num);
  }
  warn(warnings: readonly WarningJson[]): void {
    for (const warning of warnings) this.#warnings.set(`${warning.num} ${warning.code}`, warning);
  }
  clear(): void {
    this.#failures.clear();
    this.#warnings.clear();
  }

  /** The largest groups first. */
  groups(): readonly FailureGroup[] {
    const found = new Map<string, { first: FailureJson; endpoints: number; sample: string[] }>();
    for (const failure of this.#failures.values()) {
      const name = `${failure.outcome} ${failure.code} ${failure.message}`;
      const group = found.get(name) ?? { first: failure, endpoints: 0, sample: [] };
      group.endpoints += 1;
      if (group.sample.length < SAMPLE) group.sample.push(failure.host ?? `#${failure.num}`);
      found.set(name, group);
    }
    return [...found.values()]
      .map(({ first: { outcome, code, message }, ...rest }) => ({ outcome, code, message, ...rest }))
      .sort((one, other) => other.endpoints - one.endpoints);
  }

  /** Failures with an outcome; with `message` only those with these words. */
  list(outcome: string | undefined, message?: string): readonly FailureJson[] {
    return [...this.#failures.values()].filter(
      (failure) =>
        (outcome === undefined || failure.outcome === outcome) &&
        (message === undefined || failure.message === message),
    );
  }

  warnings(): readonly WarningJson[] {
    return [...this.#warnings.values()];
  }
}
