/** The types of OpenMetrics that host metrics have. */
export type MetricType = 'counter' | 'gauge';

/** One metric that may be written. Series of any other name, and labels of any other name, never leave. */
export interface MetricDefinition {
  readonly name: string;
  readonly type: MetricType;
  /** Sent with protocol 2.0 only. */
  readonly help?: string;
  /** A base unit such as `bytes`; sent with protocol 2.0 only. */
  readonly unit?: string;
  /** Names of the metric's own labels, such as `device`. */
  readonly labels?: readonly string[];
}

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Whether Prometheus takes it as the name of a label that is not its own (those start with two underscores). */
export function isLabelName(name: string): boolean {
  return LABEL_NAME.test(name) && !name.startsWith('__');
}

/**
 * The definitions by name, their label names sorted.
 * @throws where a name is not one that Prometheus takes, or appears twice: a bug in the table of metrics
 */
export function compileDefinitions(definitions: readonly MetricDefinition[]): ReadonlyMap<string, MetricDefinition> {
  const byName = new Map<string, MetricDefinition>();
  for (const definition of definitions) {
    const labels = [...(definition.labels ?? [])].sort();
    if (!METRIC_NAME.test(definition.name)) throw new Error(`metric ${definition.name}: not a name of a metric`);
    if (byName.has(definition.name)) throw new Error(`metric ${definition.name}: defined twice`);
    const wrong = labels.find((label, index) => !isLabelName(label) || labels[index + 1] === label);
    if (wrong !== undefined) throw new Error(`metric ${definition.name}: not a label name, or twice: ${wrong}`);
    byName.set(definition.name, { ...definition, labels });
  }
  return byName;
}
