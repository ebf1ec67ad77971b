// oxlint-disable jest/no-standalone-expect -- the rule does not see that testWithPromtool is a test
import { spawnSync } from 'node:child_process';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createMetrics, LATENCY_BUCKETS, type Metrics } from './metrics.js';

let metrics: Metrics;
beforeEach(() => {
  metrics = createMetrics('gateway');
});

// Skipped, visibly, where Prometheus is not installed; the test below checks the one rule that Node's own metrics break.
const testWithPromtool = spawnSync('promtool', ['--version']).error === undefined ? test : test.skip;

describe('metrics', () => {
  testWithPromtool('the whole registry, with process and Node metrics, passes promtool', async () => {
    metrics.counter({ name: 'muster_gateway_frames_total', help: 'Frames.', labels: ['kind'] }).inc({ kind: 'rows' });
    metrics.gauge({ name: 'muster_gateway_sessions', help: 'Sessions.' }).set(3);
    metrics
      .histogram({ name: 'muster_gateway_hello_seconds', help: 'Time to hello.', buckets: LATENCY_BUCKETS })
      .observe(0.01);
    const text = await metrics.registry.metrics();
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(text).toMatch(/^process_resident_memory_bytes \d/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds/m);
    expect(text).toMatch(/^muster_gateway_frames_total\{kind="rows"\} 1$/m);
  });

  test('no gauge or histogram of Node’s own has a counter’s name', async () => {
    const all = await metrics.registry.getMetricsAsJSON();
    const misnamed = all.filter(({ name, type }) => name.endsWith('_total') !== (String(type) === 'counter'));
    expect(misnamed.map(({ name }) => name)).toEqual([]);
  });

  test.each([
    ['muster_api_frames_total', /must start with muster_gateway_/],
    ['muster_gateway_frames', /_total if it is a counter/],
    ['muster_gateway_Frames_total', /lower-case words/],
    ['muster_gateway__frames_total', /lower-case words/],
    ['muster_gateway_', /lower-case words/],
    ['muster_gateway_wait_ms_total', /base units/],
  ])('a counter named %s is refused', (name, fault) => {
    expect(() => metrics.counter({ name, help: 'x' })).toThrow(fault);
  });

  test('a gauge must not pretend to be a counter, a histogram must have a unit, both must have a help text', () => {
    expect(() => metrics.gauge({ name: 'muster_gateway_sessions_total', help: 'x' })).toThrow(/_total/);
    expect(() => metrics.gauge({ name: 'muster_gateway_sessions_count', help: 'x' })).toThrow(/_count/);
    expect(() => metrics.histogram({ name: 'muster_gateway_hello', help: 'x', buckets: [1] })).toThrow(/unit/);
    expect(() => metrics.gauge({ name: 'muster_gateway_sessions', help: ' ' })).toThrow(/help/);
  });

  test.each(['agent_id', 'host', 'query', 'sql', 'le', 'Kind'])('the label %s is refused', (label) => {
    expect(() => metrics.counter({ name: 'muster_gateway_frames_total', help: 'x', labels: [label] })).toThrow(label);
  });

  test('the same name twice is refused', () => {
    metrics.gauge({ name: 'muster_gateway_sessions', help: 'x' });
    expect(() => metrics.gauge({ name: 'muster_gateway_sessions', help: 'x' })).toThrow(/already/);
  });

  test('a collecting gauge is read at each scrape', async () => {
    let sessions = 1;
    metrics.gauge({ name: 'muster_gateway_sessions', help: 'x', collect: (gauge) => gauge.set(sessions) });
    sessions = 42;
    expect(await metrics.registry.getSingleMetricAsString('muster_gateway_sessions')).toMatch(/ 42$/);
  });
});
