import { cleanLabelValue } from './clean-value.js';
import { isLabelName, type MetricDefinition } from './metric-definition.js';

/** One label of a series. */
export interface Label {
  readonly name: string;
  readonly value: string;
}

/** Which labels of an endpoint go along with its series, and what is added. Names are listed one by one; there are no patterns. */
export interface LabelPolicyOptions {
  /** Labels of endpoints that are written. Default {@link DEFAULT_ENDPOINT_LABELS}. */
  readonly allow?: readonly string[];
  /** Labels that are not written although they are allowed. */
  readonly deny?: readonly string[];
  /** Label of an endpoint → the name under which it is written. */
  readonly rename?: Readonly<Record<string, string>>;
  /** Added to every series, such as `cluster`. */
  readonly external?: Readonly<Record<string, string>>;
}

/** Labels that name the endpoint and seldom change: each change of a value begins new series. */
export const DEFAULT_ENDPOINT_LABELS = ['org', 'agent', 'host', 'os'] as const;

/** Labels that tell endpoints apart; at least one of them must be written. */
export const ENDPOINT_IDS = ['agent', 'agent_id'] as const;

// What Prometheus gives a meaning in histograms and summaries.
const RESERVED = ['le', 'quantile'];

/**
 * Turns the labels of an endpoint into those that are written. No name comes from an endpoint: it chooses values alone,
 * and only those of allowed labels.
 */
export class LabelPolicy {
  readonly #names: readonly (readonly [from: string, to: string])[];
  readonly #external: readonly Label[];

  /** @throws where a name is none of Prometheus, or two labels would have one name; the message names it */
  constructor(options: LabelPolicyOptions, definitions: Iterable<MetricDefinition>) {
    const { allow = DEFAULT_ENDPOINT_LABELS, deny = [], rename = {}, external = {} } = options;
    const names = [...new Set(allow)].filter((name) => !deny.includes(name));
    this.#names = names.map((name) => [name, Object.hasOwn(rename, name) ? (rename[name] ?? name) : name]);
    this.#external = Object.entries(external).map(([name, value]) => ({ name, value: cleanLabelValue(value) }));
    const taken = new Set(RESERVED);
    for (const { labels = [] } of definitions) for (const label of labels) taken.add(label);
    for (const name of [...this.#names.map(([, to]) => to), ...this.#external.map((label) => label.name)]) {
      if (!isLabelName(name)) throw new Error(`remote write: ${name} is not a label name that Prometheus takes`);
      if (taken.has(name)) throw new Error(`remote write: two labels would be called ${name}`);
      taken.add(name);
    }
  }

  /** The labels that are written, sorted by name, without empty ones. */
  apply(labels: Readonly<Record<string, unknown>>): readonly Label[] {
    const written = this.#external.filter(({ value }) => value !== '');
    for (const [from, name] of this.#names) {
      const raw = Object.hasOwn(labels, from) ? labels[from] : undefined;
      const value = typeof raw === 'string' ? cleanLabelValue(raw) : '';
      if (value !== '') written.push({ name, value });
    }
    return written.sort(byName);
  }
}

/** The sequence of labels that the protocol asks for: by the bytes of their names, which are ASCII. */
export function byName(a: Label, b: Label): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
