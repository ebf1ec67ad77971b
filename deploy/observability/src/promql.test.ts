import { describe, expect, test } from '@jest/globals';
import { selectorsOf, withoutVariables } from './promql.js';

describe('selectors of an expression', () => {
  test('are found with the function around them', () => {
    const expr = 'sum by (le) (rate(a_bucket{x="1"}[5m])) / (b offset 10m > 0)';
    expect(selectorsOf(expr)).toEqual([
      { text: 'a_bucket{x="1"}', name: 'a_bucket', labels: ['x'], within: 'rate' },
      { text: 'b', name: 'b', labels: [], within: undefined },
    ]);
  });

  test('may have a pattern as name', () => {
    const [one] = selectorsOf('max({__name__=~"muster_.+_fill_ratio",job="a"})');
    expect(one).toMatchObject({ name: /^(?:muster_.+_fill_ratio)$/, labels: ['job'] });
  });

  test('of what is not PromQL are refused', () => {
    expect(() => selectorsOf('sum(rate(a[5m])')).toThrow(SyntaxError);
    expect(() => selectorsOf('rate(a{$m}[5m])')).toThrow(SyntaxError);
  });

  test('a constant is none', () => {
    expect(selectorsOf('vector(0)')).toEqual([]);
  });
});

test('variables of Grafana become what Prometheus takes', () => {
  expect(withoutVariables('rate(a{job=~"$job",instance=~"$instance"}[$__rate_interval])')).toBe(
    'rate(a{job=~".+",instance=~".+"}[1m])',
  );
});
