import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createMetrics } from './metrics.js';
import { createLogger, silentLogger } from './logger.js';
import { eventually } from './testing/eventually.js';
import { TraceCollector } from './testing/trace-collector.js';
import { openTracer } from './open-tracer.js';
import { NO_SPAN, NO_TRACER, type Tracer } from './tracer.js';
import { parseTraceparent } from './traceparent.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const SAMPLED = `00-${TRACE}-${PARENT}-01`;

describe('a traceparent', () => {
  test('of version 00 is read', () => {
    expect(parseTraceparent(SAMPLED)).toEqual({ traceId: TRACE, spanId: PARENT, sampled: true });
    expect(parseTraceparent(`00-${TRACE}-${PARENT}-00`)).toMatchObject({ sampled: false });
  });

  test.each([
    ['nothing', undefined],
    ['no text', 7],
    ['an empty text', ''],
    ['another version', `01-${TRACE}-${PARENT}-01`],
    ['capitals', `00-${TRACE.toUpperCase()}-${PARENT}-01`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${PARENT}-01`],
    ['a span id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['what follows', `${SAMPLED}-more`],
    ['two headers', `${SAMPLED}, ${SAMPLED}`],
    ['a line break', `${SAMPLED.slice(0, -1)}\n`],
    ['a long text', '00-'.repeat(1_000_000)],
  ])('that is %s is ignored', (_what, text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});

describe('without an endpoint', () => {
  test.each([
    ['no variable', {}],
    ['an empty one', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
    ['the SDK disabled', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' }],
    ['no exporter of traces', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_TRACES_EXPORTER: 'none' }],
  ])('(%s) nothing is loaded, and nothing is recorded', async (_what, env) => {
    const metrics = createMetrics('demo');
    const tracer = await openTracer(env, { logger: silentLogger, metrics });
    expect(tracer).toBe(NO_TRACER);
    expect(tracer.begin('GET /v1/things', SAMPLED)).toBe(NO_SPAN);
    expect(await metrics.registry.metrics()).not.toContain('trace_spans');
  });

  test('no library is loaded, and with one they are', () => {
    // prom-client has the API of OpenTelemetry, and nothing else.
    const program = `
      import { createRequire } from 'node:module';
      const { openTracer } = await import(${JSON.stringify(new URL('./open-tracer.js', import.meta.url).href)});
      const { createMetrics } = await import(${JSON.stringify(new URL('./metrics.js', import.meta.url).href)});
      await openTracer(process.env, { logger: console, metrics: createMetrics('demo') });
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter((path) => path.includes('/@opentelemetry/'));
      console.log(loaded.filter((path) => !path.includes('/@opentelemetry/api/')).length);
      process.exit(0);
    `;
    const loaded = (env: Readonly<Record<string, string>>): number =>
      Number(execFileSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' }));
    expect(loaded({ OTEL_SERVICE_NAME: 'x' })).toBe(0);
    expect(loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })).toBeGreaterThan(10);
  });
});

describe('with a collector', () => {
  let collector: TraceCollector;
  let tracer: Tracer;
  const metrics = { current: createMetrics('demo') };
  const log: string[] = [];

  async function open(env: Readonly<Record<string, string>> = {}): Promise<void> {
    // The SDK reads the environment of the process.
    Object.assign(process.env, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env });
    metrics.current = createMetrics('demo');
    const logger = createLogger({ service: 'demo', destination: { write: (line) => log.push(line) } });
    tracer = await openTracer(process.env, { logger, metrics: metrics.current });
  }
  const counted = async (result: string): Promise<number> => {
    const text = await metrics.current.registry.metrics();
    return Number(new RegExp(`^muster_demo_trace_spans_total\\{result="${result}"\\} (\\d+)`, 'm').exec(text)?.[1]);
  };

  beforeEach(async () => {
    log.length = 0;
    collector = await new TraceCollector().start();
  });
  afterEach(async () => {
    await tracer.stop();
    for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
    await collector.stop();
  });

  test('spans are one trace with their parents, names, attributes and events', async () => {
    await open({
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=secret',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
    });
    const root = tracer.begin('GET /v1/things', SAMPLED, {
      kind: 'server',
      attributes: { 'http.route': '/v1/things' },
    });
    const part = tracer.part('things list', root.traceparent, { kind: 'consumer' });
    part.event('first', { 'muster.rows': 3 });
    part.end('timeout');
    part.event('too late');
    root.end();
    root.logger(createLogger({ service: 'demo', destination: { write: (line) => log.push(line) } })).info('said');
    await tracer.stop();
    const [first, second] = collector.spans;
    expect(first).toMatchObject({
      name: 'things list',
      parentId: second!.spanId,
      kind: 5,
      events: ['first'],
      isError: true,
    });
    expect(first!.attributes).toEqual({ 'error.type': 'timeout' });
    expect(second).toMatchObject({ name: 'GET /v1/things', traceId: TRACE, parentId: PARENT, kind: 2, isError: false });
    expect(second).toMatchObject({ service: 'muster-demo', attributes: { 'http.route': '/v1/things' } });
    expect(collector.headers).toMatchObject({ authorization: 'secret', 'content-type': 'application/x-protobuf' });
    expect(await counted('exported')).toBe(2);
    expect(log.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ msg: 'said', traceId: TRACE }),
    ]);
  });

  test('what nobody records costs nothing further on, and no part begins a trace of its own', async () => {
    await open({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
    expect(tracer.begin('GET /v1/things', undefined)).toBe(NO_SPAN);
    expect(tracer.begin('GET /v1/things', `00-${TRACE}-${PARENT}-00`)).toBe(NO_SPAN);
    expect(tracer.part('things list', undefined)).toBe(NO_SPAN);
    expect(tracer.part('things list', 'hostile')).toBe(NO_SPAN);
    expect(tracer.begin('GET /v1/things', SAMPLED).traceId).toBe(TRACE);
  });

  test('a text of a stranger in the header begins a trace of its own', async () => {
    await open();
    const span = tracer.begin('GET /v1/things', `${SAMPLED}-${'x'.repeat(100_000)}`);
    expect(span.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(span.traceId).not.toBe(TRACE);
  });

  test('a collector that refuses costs the spans alone, and is named once', async () => {
    await open();
    collector.answer = 400;
    for (const expected of [1, 2]) {
      tracer.begin('GET /v1/things', undefined).end();
      await eventually(async () => (await counted('failed')) === expected, 'the failure is counted', 30_000);
    }
    expect(log.filter((line) => line.includes('could not be sent'))).toHaveLength(1);
    expect(collector.spans).toEqual([]);
  });

  test('a collector that says nothing holds up neither the stop nor the memory', async () => {
    await open({ OTEL_EXPORTER_OTLP_TIMEOUT: '60000' });
    collector.answer = 'hang';
    for (let i = 0; i < 5_000; i += 1) tracer.begin('GET /v1/things', undefined).end();
    expect(await counted('dropped')).toBeGreaterThan(1_000);
    const startedMs = performance.now();
    await tracer.stop();
    expect(performance.now() - startedMs).toBeLessThan(30_000);
  });
});
