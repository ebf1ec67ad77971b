import { endpointLabel, type Directory } from '@muster/directory';
import { parseSelector, selectorMatches, type Selector } from '@muster/protocol';
import type { ExceptionRecord } from '@muster/records';

/** Whether an exception counts at a moment: it was made before, and neither ended nor was deleted. */
export function isInForce({ createdAtMs, untilMs, deleted }: ExceptionRecord, atMs: number): boolean {
  return createdAtMs <= atMs && atMs < untilMs && (deleted === undefined || atMs < deleted.atMs);
}

interface Rule {
  readonly record: ExceptionRecord;
  readonly selector: Selector;
}

/**
 * The exceptions of one pack at one moment. A scope that cannot be parsed, or an endpoint that is not known any more,
 * is excepted from nothing.
 */
export class ExceptionMatcher {
  readonly #rules = new Map<string, Rule[]>();
  readonly #directory: Pick<Directory, 'byNum'>;

  constructor(records: Iterable<ExceptionRecord>, directory: Pick<Directory, 'byNum'>) {
    this.#directory = directory;
    for (const record of records) {
      const parsed = parseSelector(record.scope);
      if (!parsed.ok) continue;
      const rules = this.#rules.get(record.check) ?? [];
      rules.push({ record, selector: parsed.selector });
      this.#rules.set(record.check, rules);
    }
  }

  /** Some exception needs to know who fails. */
  get needsEndpoints(): boolean {
    return [...this.#rules.values()].some((rules) => rules.some(({ selector }) => selector.length > 0));
  }

  /** The exception of a check for all endpoints. */
  ofAll(check: string): ExceptionRecord | undefined {
    return this.#rules.get(check)?.find(({ selector }) => selector.length === 0)?.record;
  }

  of(check: string, num: number): ExceptionRecord | undefined {
    const rules = this.#rules.get(check);
    if (rules === undefined) return undefined;
    const whole = this.ofAll(check);
    if (whole !== undefined) return whole;
    const endpoint = this.#directory.byNum(num);
    if (endpoint === undefined) return undefined;
    const label = endpointLabel(endpoint);
    return rules.find(({ selector }) => selectorMatches(selector, label))?.record;
  }
}
