import { parser } from '@prometheus-io/lezer-promql';

/** One selector of an expression, such as `muster_api_viewers{format="sse"}`. */
export interface Selector {
  /** As it is written, without range and offset: a query by itself. */
  readonly text: string;
  /** The metric's name, or what it has to match where the name is given by a pattern. */
  readonly name: string | RegExp;
  /** The labels that it matches, without the name. */
  readonly labels: readonly string[];
  /** The function around it: `rate`. */
  readonly within: string | undefined;
}

/** What stands for Grafana's variables when an expression is run outside of it. */
const VARIABLES: Readonly<Record<string, string>> = {
  $__rate_interval: '1m',
  $__range: '5m',
  $job: '.+',
  $instance: '.+',
  $org: '.+',
  $host: '.+',
  $agent: '.+',
};

/** An expression of a panel as Prometheus takes it. */
export function withoutVariables(expr: string): string {
  return expr.replace(/\$\w+/g, (name) => VARIABLES[name] ?? name);
}

/**
 * The selectors of an expression without variables.
 * @throws SyntaxError when it is not PromQL.
 */
export function selectorsOf(expr: string): Selector[] {
  const selectors: Selector[] = [];
  const functions: string[] = [];
  parser.parse(expr).iterate({
    enter: (node) => {
      const text = expr.slice(node.from, node.to);
      if (node.type.isError) throw new SyntaxError(`not PromQL at ${node.from}: ${expr}`);
      if (node.name === 'FunctionCall') functions.push(/^\w+/.exec(text)?.[0] ?? '');
      if (node.name === 'VectorSelector') selectors.push(selectorOf(text, functions.at(-1)));
    },
    leave: (node) => {
      if (node.name === 'FunctionCall') functions.pop();
    },
  });
  return selectors;
}

function selectorOf(text: string, within: string | undefined): Selector {
  const matchers = [...text.matchAll(/(\w+)\s*(=~|=|!=|!~)\s*"((?:[^"\\]|\\.)*)"/g)];
  const named = matchers.find(([, label]) => label === '__name__')?.[3];
  const labels = matchers.flatMap(([, label = '']) => (label === '__name__' ? [] : [label]));
  const name = named === undefined ? (/^[\w:]+/.exec(text)?.[0] ?? '') : new RegExp(`^(?:${named})$`);
  return { text, name, labels, within };
}
