import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { followCommand, followQuery } from '@muster/api-client';
import { eventually, TraceCollector, type CollectedSpan } from '@muster/runtime/testing';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';

/** A span of the caller. */
const CALLER = 'b7ad6b7169203331';

describe('traces', () => {
  let collector: TraceCollector;
  let harness: Harness;
  let fleet: Fleet;

  beforeAll(async () => {
    collector = await new TraceCollector().start();
    const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    harness = await startHarness({
      ...{ gateways: 2, queries: 2, commands: 2 },
      env: { gateway: traces, query: traces, command: traces, api: traces },
    });
    fleet = new Fleet({ ...fleetOptions(harness), agents: 40, behaviour: { failing: 0.2, disappearing: 0.2 } });
    await fleet.start();
  });
  afterAll(async () => {
    await fleet.stop();
    await harness.close();
    await collector.stop();
  });

  /** A request with a trace of its caller; resolves with the reply. */
  async function post<T>(path: string, traceId: string, body: object): Promise<T> {
    const headers = { traceparent: `00-${traceId}-${CALLER}-01` };
    const response = await harness.api.fetch(path, { method: 'POST', headers, body });
    expect(response.ok).toBe(true);
    return (await response.json()) as T;
  }

  /** The spans of a trace as `service: name < name of the parent`, each once, when those with these names have come. */
  async function treeOf(traceId: string, ...awaited: string[]): Promise<{ tree: string[]; spans: CollectedSpan[] }> {
    const find = (): CollectedSpan[] => collector.ofTrace(traceId);
    await eventually(
      () => awaited.every((name, i) => find().filter((span) => span.name === name).length >= countUpTo(awaited, i)),
      `spans of the trace: ${awaited.join(', ')}`,
      30_000,
    );
    const spans = find();
    const names = new Map(spans.map(({ spanId, name }) => [spanId, name]));
    names.set(CALLER, 'caller');
    const tree = spans.map(({ service, name, parentId }) => `${service}: ${name} < ${names.get(parentId)}`);
    return { tree: [...new Set(tree)].sort(), spans };
  }

  /** How often the name at this place is among those up to it. */
  const countUpTo = (names: readonly string[], at: number): number =>
    names.slice(0, at + 1).filter((name) => name === names[at]).length;

  /** Nothing of endpoints, and no text of a query. */
  function expectBounded(spans: readonly CollectedSpan[]): void {
    const text = JSON.stringify(spans, (_name, value: unknown) => (typeof value === 'bigint' ? 0 : value));
    const words = fleet.agents.flatMap(({ agentId, machine }) => [agentId, machine.facts.host]);
    expect([...words, 'SELECT', 'system_info'].filter((word) => text.includes(word))).toEqual([]);
  }

  const logOf = (name: string): string => readFileSync(join(harness.stack.folder, 'logs', `${name}.log`), 'utf8');

  test('a query is one trace, from the caller over the API and its coordinator to each gateway', async () => {
    const traceId = 'a'.repeat(32);
    const body = { sql: 'SELECT hostname FROM system_info', mode: 'raw', timeout: '30s' };
    const { id } = await post<{ id: string }>('/v1/queries', traceId, body);
    const { ledger } = await followQuery(harness.api, id);
    const { tree, spans } = await treeOf(
      traceId,
      'POST /v1/queries',
      'query start',
      'query ask',
      'query ask',
      'query run',
    );
    expect(tree).toEqual([
      'muster-api: POST /v1/queries < caller',
      'muster-gateway: query ask < query run',
      'muster-query: query run < query start',
      'muster-query: query start < POST /v1/queries',
    ]);
    const run = spans.find(({ name }) => name === 'query run')!;
    expect(run.events).toEqual(['launched', 'first partial', 'complete']);
    expect(run.attributes).toMatchObject({ 'muster.query.id': id, 'muster.query.targeted': String(ledger.targeted) });
    const asks = spans.filter(({ name }) => name === 'query ask');
    expect(asks).toHaveLength(2);
    for (const { events } of asks) expect(events).toEqual(['targets', 'first partial', 'last partial']);
    // The gateways answered while the coordinator waited.
    for (const ask of asks) expect(ask.endNs <= run.endNs).toBe(true);
    expectBounded(spans);
    const ended = harness.stack.queries
      .flatMap(({ name }) => logOf(name).split('\n'))
      .find((line) => line.includes('"query ended"') && line.includes(id));
    expect(JSON.parse(ended ?? '{}')).toMatchObject({ traceId });
  });

  test('a command is one trace, from the caller to the batch of each gateway and to its end', async () => {
    const traceId = 'b'.repeat(32);
    const steady = fleet.agents.filter(({ behaviour }) => behaviour !== 'disappearing');
    const body = { action: 'dns.flush', target: { agentIds: steady.map(({ agentId }) => agentId) } };
    const { id } = await post<{ id: string }>('/v1/commands', traceId, body);
    await followCommand(harness.api, id);
    const { tree, spans } = await treeOf(traceId, 'command settle', 'command hand over', 'POST /v1/commands');
    expect(tree).toEqual([
      'muster-api: POST /v1/commands < caller',
      'muster-command: command deliver < command submit',
      'muster-command: command journal < command submit',
      'muster-command: command settle < command submit',
      'muster-command: command sign < command submit',
      'muster-command: command submit < POST /v1/commands',
      'muster-gateway: command hand over < command deliver',
    ]);
    const settle = spans.find(({ name }) => name === 'command settle')!;
    expect(settle.attributes).toMatchObject({
      'muster.command.id': id,
      'muster.command.targets': String(steady.length),
    });
    expectBounded(spans);
  });

  test('a caller without valid credentials is not traced, whatever trace it names', async () => {
    const traceId = 'c'.repeat(32);
    const headers = { traceparent: `00-${traceId}-${CALLER}-01` };
    expect((await fetch(`${harness.stack.apiUrl}/v1/agents`, { headers })).status).toBe(401);
    // Whoever is traced comes after it.
    const known = 'd'.repeat(32);
    const named = { traceparent: `00-${known}-${CALLER}-01` };
    await harness.api.fetch('/v1/agents?limit=1', { headers: named });
    expect((await treeOf(known, 'GET /v1/agents')).tree).toEqual(['muster-api: GET /v1/agents < caller']);
    expect(collector.ofTrace(traceId)).toEqual([]);
  });

  test('what another instance takes over goes on in its trace', async () => {
    const silent = new Fleet({ ...fleetOptions(harness), agents: 4, seed: 5, behaviour: { silent: 1 } });
    await silent.start();
    const agentIds = silent.agents.map(({ agentId }) => agentId);
    const target = `id in (${agentIds.join(',')})`;
    const traceOf = (kind: string, i: number): string => `${kind}${i}`.padEnd(32, '0');
    const MANY = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    const ask = { sql: 'SELECT hostname FROM system_info', selector: target, timeout: '120s' };
    const queries = await Promise.all(
      MANY.map((i) => post<{ id: string }>('/v1/queries', traceOf('e', i), ask).then(({ id }) => id)),
    );
    const stateOf = async (id: string): Promise<string> =>
      (await harness.api.call('GET /v1/queries/{id}', { params: { id } })).state;
    await eventually(async () => (await Promise.all(queries.map(stateOf))).every((state) => state === 'running'));
    const killed = harness.stack.queries.find(({ name }) => name === 'query-1')!;
    killed.signal('SIGKILL');
    await killed.exited();
    const isOver = (): string[] =>
      MANY.map((i) => traceOf('e', i)).filter((trace) =>
        collector.ofTrace(trace).some(({ name }) => name === 'query interrupt'),
      );
    await eventually(async () => {
      const states = await Promise.all(queries.map(stateOf));
      const interrupted = MANY.filter((i) => states[i] === 'interrupted').map((i) => traceOf('e', i));
      // Who looked and found that another one had ended it has a span too.
      const without = interrupted.filter((trace) => !isOver().includes(trace));
      if (without.length > 0) throw new Error(`without: ${without.join(', ')}; with: ${isOver().join(', ')}`);
      return interrupted.length > 0;
    }, 'each interrupted query has a span of that in its trace');

    // Absent endpoints: the commands end when they expire, and by then only one command service is left.
    await silent.stop();
    const order = { action: 'dns.flush', target: { agentIds }, expiresIn: '15s' };
    await Promise.all(MANY.map((i) => post('/v1/commands', traceOf('f', i), order)));
    const dead = harness.stack.commands.find(({ name }) => name === 'command-1')!;
    dead.signal('SIGKILL');
    await dead.exited();
    await eventually(
      () => MANY.every((i) => collector.ofTrace(traceOf('f', i)).some(({ name }) => name === 'command settle')),
      'each command is settled in its trace',
    );
    for (const kind of ['e', 'f'])
      for (const i of MANY)
        for (const { name, parentId } of collector.ofTrace(traceOf(kind, i)))
          expect([name, parentId]).toEqual([name, expect.stringMatching(/^[0-9a-f]{16}$/)]);
  });
});
